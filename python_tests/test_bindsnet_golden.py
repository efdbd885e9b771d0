# SPDX-License-Identifier: Apache-2.0
"""Traces of BindsNET 0.3.3 through its own names, on torch and natively: spikes equal, floats
within 1e-5 (relative above 1)."""

from __future__ import annotations

from pathlib import Path

import bindsnet_nets
import pytest

from fastsnn import backends
from fastsnn.errors import BackendError

HERE = Path(__file__).parent / "golden"
FILES = [*bindsnet_nets.golden_files(HERE), *bindsnet_nets.golden_files(HERE / "bindsnet")]
# what has no native counterpart, by what the file's name holds
STEP_BY_STEP = (
    "Conv1d_Hebbian",  # of two channels, as those below: their learning mixes channels and places
    "Conv1d_PostPre",
    "Conv1d_WeightDependent",
    "Conv3d_Hebbian",
    "Conv3d_PostPre",
    "Conv3d_WeightDependent",
    "Local2D_2ch",
    "Conv1d_MSTDP",  # all filters get the same, or nothing
    "Conv2d_MSTDP",
    "Conv3d_MSTDP",
    "Local1D_MSTDPET",
    "Local2D_MSTDPET",
    "MeanField",  # in a batch
    "normstep",
    "polarity",
    "one_step_True",
)
# what draws other numbers natively
DRAWS = ("Probability",)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_trace_is_reproduced_step_by_step(path):
    golden = bindsnet_nets.Golden(path)
    net = golden.build()
    net.backend = "torch"
    ours = golden.run(net)
    assert any(k.startswith(("s_", "cur_")) for k in ours), "nothing was compared"
    assert not golden.differences(ours)


@pytest.mark.skipif("cpu" not in backends.usable(), reason="the native engine is not built")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_trace_is_reproduced_natively(path):
    golden = bindsnet_nets.Golden(path)
    net = golden.build()
    net.backend = "native"
    if any(part in path.stem for part in STEP_BY_STEP):
        with pytest.raises(BackendError, match="cannot run this network"):
            golden.run(net)
        return
    ours = golden.run(net)
    assert any(k.startswith(("s_", "cur_")) for k in ours), "nothing was compared"
    if not any(part in path.stem for part in DRAWS):
        assert not golden.differences(ours)
