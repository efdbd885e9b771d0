# SPDX-License-Identifier: Apache-2.0
"""Recorded spikes: a file that grows with a run, and the formats of others."""

from fastsnn.recording.export import EXPORTS, Recording, from_npz, to_neo
from fastsnn.recording.stream import SpikeReader, SpikeWriter

__all__ = ["EXPORTS", "Recording", "SpikeReader", "SpikeWriter", "from_npz", "to_neo"]
