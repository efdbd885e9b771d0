# SPDX-License-Identifier: Apache-2.0
"""Traces of PyNN's standard cells, recorded from NEST 3.10 on its grid.

An excitatory spike arrives at 6 and 71 ms, an inhibitory one at 14 ms; a current flows from 20 to
60 ms.  Where NEST integrates exactly we agree to the digits of float32 or float64, elsewhere far
better than NEURON and NEST agree with each other (0.02 to 0.3 mV at 0.1 ms).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from driven import run

from fastsnn.models.conductances import LIFCondAlpha, LIFCondExp
from fastsnn.models.currents import LIFAlpha, LIFDelta, LIFExp
from fastsnn.models.exponential import AdExCondAlpha, AdExCondExp
from fastsnn.models.ion_channels import HHCondExp
from fastsnn.models.quadratic import IzhikevichDelta

TRACES = np.load(Path(__file__).parent / "reference" / "pynn_nest.npz")
_LIF = {"c_m": 1000.0, "tau_m": 20.0, "t_refrac": 2.0}
# model, weights, current, largest difference below threshold at 0.1 ms, mV
CELLS = {
    "IF_curr_exp": (LIFExp(**_LIF, tau_syn_ex=5.0, tau_syn_inh=3.0), 800, -600, 1000, 2e-4),
    "IF_curr_alpha": (LIFAlpha(**_LIF, tau_syn_ex=1.5, tau_syn_inh=3.0), 2000, -1500, 1000, 2e-4),
    "IF_curr_delta": (LIFDelta(**_LIF), 4.0, -3.0, 1000, 2e-4),
    "IF_cond_exp": (LIFCondExp(**_LIF, tau_syn_ex=5.0, tau_syn_inh=8.0), 20, 30, 1000, 3e-4),
    "IF_cond_alpha": (LIFCondAlpha(**_LIF, tau_syn_ex=1.5, tau_syn_inh=3.0), 50, 50, 1000, 4e-4),
    "EIF_cond_exp_isfa_ista": (AdExCondExp(t_refrac=2.0), 20, 30, 1000, 2e-4),
    "EIF_cond_alpha_isfa_ista": (AdExCondAlpha(t_refrac=2.0), 20, 30, 1000, 2e-4),
    "Izhikevich": (IzhikevichDelta(), 5, -3, 10, 2e-4),
    "HH_cond_exp": (HHCondExp(), 20, 30, 500, 1e-2),
}  # fmt: skip


EXACT = ("IF_curr_exp", "IF_curr_alpha", "IF_curr_delta")


def traced(cell, dt, backend, dtype=torch.float32):
    """v every 0.1 ms of a cell and of NEST's, mV, and the first spike of NEST, ms."""
    if dt == 0.01 and backend == "torch":
        pytest.skip("ten thousand steps of the reference; the cpu backend gives the same bits")
    model, ex, inh, amplitude, _ = CELLS[cell]
    want, times = TRACES[f"{dt}/{cell}/v"], TRACES[f"{dt}/{cell}/spikes"]
    steps, every = round(100 / dt), round(0.1 / dt)
    current = torch.zeros(steps, 1, 1)
    current[round(20 / dt) : round(60 / dt)] = amplitude
    arrivals = {round(t / dt) - 1: {port: w} for t, port, w in
                ((6, "ex", ex), (14, "inh", inh), (71, "ex", ex))}  # fmt: skip
    got = run(model, steps, dt=dt, backend=backend, arrivals=arrivals, current=current,
              start={"v": float(want[0])}, dtype=dtype)  # fmt: skip
    fired = dt * (np.flatnonzero(got["spike"][:, 0]) + 1)
    assert len(fired) == len(times)
    assert np.abs(fired - times).max() < 1e-6
    return got["v"][every - 1 :: every, 0], want[1:], times[0]


@pytest.mark.parametrize("dt", [0.1, 0.01])
@pytest.mark.parametrize("cell", CELLS)
def test_traces_of_nest_are_reproduced(cell, dt, backend):
    v, want, spike = traced(cell, dt, backend)
    below = slice(0, int(spike / 0.1) - 12)
    # rounding of v adds up over tau_m / dt steps
    assert np.abs(v[below] - want[below]).max() < max(CELLS[cell][-1], 3e-5 / dt)


@pytest.mark.parametrize("dt", [0.1, 0.01])
@pytest.mark.parametrize("cell", EXACT)
def test_whole_traces_of_exact_integration_agree_in_float64(cell, dt, backend):
    v, want, _ = traced(cell, dt, backend, torch.float64)
    assert np.abs(v - want).max() < 1e-9
