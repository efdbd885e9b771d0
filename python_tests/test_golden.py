# SPDX-License-Identifier: Apache-2.0
"""Traces recorded from BindsNET 0.3.3: spikes equal, floats within 1e-5 (relative above 1)."""

from __future__ import annotations

import numpy as np
import places
import pytest
from golden_nets import Golden, golden_files


@pytest.mark.parametrize("path", golden_files(), ids=lambda p: p.stem)
def test_golden_trace_is_reproduced(path, place):
    golden = Golden(path)
    net = golden.build(**places.options(place))
    places.skip_if_refused(net, place)
    ours = golden.run(net)
    assert any(k.startswith("s_") for k in ours), "nothing was compared"
    for key, got in ours.items():
        want = golden.arrays[key]
        assert got.size == want.size, key
        got = got.reshape(want.shape)
        if key.startswith("s_") and not key.startswith("s_prob"):
            differ = np.argwhere((got != 0) != (want != 0))
            assert not len(differ), f"{key}: {len(differ)} spikes differ, first at {differ[0]}"
        else:
            error = np.abs(got.astype(np.float64) - want) / np.maximum(1.0, np.abs(want))
            assert error.max() <= 1e-5, (
                f"{key}: {error.max():.2e} at step {np.argwhere(error == error.max())[0][0]}"
            )
