# SPDX-License-Identifier: Apache-2.0
"""Traces of BindsNET 0.3.3 through its own names, on torch and natively: spikes equal, floats
within 1e-5 (relative above 1)."""

from __future__ import annotations

from pathlib import Path

import bindsnet_nets
import pytest

from fastsnn import backends

HERE = Path(__file__).parent / "golden"
FILES = [*bindsnet_nets.golden_files(HERE), *bindsnet_nets.golden_files(HERE / "bindsnet")]
# of which a part runs on torch within native steps, by what the file's name holds, and which part
PARTLY = {
    "Conv1d_Hebbian": "rule",  # of two channels, as those below: learning mixes channels and places
    "Conv1d_PostPre": "rule",
    "Conv1d_WeightDependent": "rule",
    "Conv3d_Hebbian": "rule",
    "Conv3d_PostPre": "rule",
    "Conv3d_WeightDependent": "rule",
    "Local2D_2ch": "rule",
    "Conv1d_MSTDP": "rule",  # all filters get the same, or nothing
    "Conv2d_MSTDP": "rule",
    "Conv3d_MSTDP": "rule",
    "Local1D_MSTDPET": "rule",
    "Local2D_MSTDPET": "rule",
    "MeanField": "connection",  # in a batch
    "normstep": "connection",
    "polarity": "connection",
    "Probability": "connection",
}


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
@pytest.mark.filterwarnings("ignore:Of this network a part")
def test_trace_is_reproduced_natively(path):
    golden = bindsnet_nets.Golden(path)
    net = golden.build()
    ours = golden.run(net)
    assert any(k.startswith(("s_", "cur_")) for k in ours), "nothing was compared"
    assert not golden.differences(ours)
    expected = {kind for name, kind in PARTLY.items() if name in path.stem}
    assert {kind for kind, _ in net.on_torch} == expected
