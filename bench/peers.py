# SPDX-License-Identifier: Apache-2.0
"""What others take for the same, measured on two cores of an AMD EPYC (Zen 4).

Absolute times differ between machines; `bindsnet_side_by_side.py` measures both in one run.
"""

from __future__ import annotations

from fastsnn.bench.cases import Setting

BINDSNET = "BindsNET 0.3.3, DiehlAndCook2015, measured on 2 cores of an AMD EPYC (Zen 4)"

# (neurons, batch, learning): seconds an image of 250 steps; the fastest of several runs
_BINDSNET_DIEHL_COOK = {
    (100, 1, True): 0.149,
    (400, 1, True): 0.327,
    (400, 16, True): 0.485,
    (400, 64, True): 0.787,
    (400, 64, False): 0.532,
    (1600, 1, True): 7.912,
    (6400, 1, True): 121.8,
}


def bindsnet_seconds(case: str, setting: Setting) -> float | None:
    """Seconds an image of 250 steps that BindsNET takes, None where it was not measured."""
    if case != "diehl-cook" or setting.steps != 250:
        return None
    return _BINDSNET_DIEHL_COOK.get((setting.n, setting.batch, setting.learning))
