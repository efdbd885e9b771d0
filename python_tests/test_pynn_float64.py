# SPDX-License-Identifier: Apache-2.0
"""The PyNN backend in float64: NEST's traces, weights that keep their digits, what may change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyNN")

import fastsnn.pynn as sim

TRACES = np.load(Path(__file__).parent / "reference" / "pynn_nest.npz")
_REFRACTORY = {"tau_refrac": 2.0}
# parameters and the weights onto both receptors
CELLS = {
    "IF_curr_exp": ({**_REFRACTORY, "tau_syn_E": 5.0, "tau_syn_I": 3.0}, 0.8, -0.6),
    "IF_curr_alpha": ({**_REFRACTORY, "tau_syn_E": 1.5, "tau_syn_I": 3.0}, 2.0, -1.5),
    "IF_curr_delta": (_REFRACTORY, 4.0, -3.0),
}


def spikes(*times: float):
    """A source of spikes."""
    return sim.Population(1, sim.SpikeSourceArray(spike_times=[*times]))


def joined(pre, post, weight: float, delay: float, receptor: str = "excitatory"):
    """A projection of all to all."""
    synapse = sim.StaticSynapse(weight=weight, delay=delay)
    return sim.Projection(pre, post, sim.AllToAllConnector(), synapse, receptor_type=receptor)


@pytest.mark.parametrize("name", CELLS)
def test_exactly_integrated_cells_are_those_of_nest(name) -> None:
    parameters, ex, inh = CELLS[name]
    sim.setup(timestep=0.1, dtype="float64")
    cell = sim.Population(1, getattr(sim, name)(**parameters))
    joined(spikes(5.0, 70.0), cell, ex, 1.0)
    joined(spikes(12.0), cell, inh, 2.0, "inhibitory")
    sim.DCSource(amplitude=1.0, start=20.0, stop=60.0).inject_into(cell)
    cell.record(["v", "spikes"])
    sim.run(100.0)
    segment = cell.get_data().segments[0]
    v = segment.filter(name="v")[0].magnitude[:, 0]
    assert np.abs(v - TRACES[f"0.1/{name}/v"]).max() < 1e-9
    assert segment.spiketrains[0].magnitude == pytest.approx(TRACES[f"0.1/{name}/spikes"])


@pytest.mark.parametrize("native", [False, True])
def test_weights_far_apart_keep_their_digits(native) -> None:
    sim.setup(timestep=0.1, dtype="float64", seed=3)
    cells = sim.Population(20, sim.IF_curr_delta(v_thresh=1e6, tau_m=1e12))
    cells.initialize(v=0.0)
    source = sim.Population(10, sim.SpikeSourceArray(spike_times=[1.0]))
    joined(source, cells, 1000.0, 0.5)
    rng = sim.NativeRNG() if native else sim.NumpyRNG(seed=2)
    connector = sim.FixedProbabilityConnector(0.5, rng=rng)
    small = sim.StaticSynapse(weight=1.0 / 3.0, delay=0.3)
    few = sim.Projection(source, cells, connector, small, receptor_type="excitatory")
    cells.record("v")
    sim.run(3.0)
    v = cells.get_data().segments[0].filter(name="v")[0].magnitude[-1]
    inputs = np.bincount(np.array(few.get("weight", "list"))[:, 1].astype(int), minlength=20)
    assert 50 < len(few) < 150
    assert np.abs(v - (10_000.0 + inputs / 3.0)).max() < 1e-6


def test_weights_change_between_runs_and_delays_do_not() -> None:
    sim.setup(timestep=0.1, dtype="float64")
    cell = sim.Population(1, sim.IF_curr_delta(v_thresh=1e6, tau_m=1e12))
    cell.initialize(v=0.0)
    projection = joined(spikes(1.0, 3.0), cell, 0.1, 0.5)
    cell.record("v")
    sim.run(2.0)
    projection.set(weight=0.7)
    sim.run(2.0)
    v = cell.get_data().segments[0].filter(name="v")[0].magnitude[:, 0]
    assert v[[20, 40]] == pytest.approx([0.1, 0.8], abs=1e-9)
    with pytest.raises(NotImplementedError, match=r"delay of synapses .* cannot change"):
        projection.set(delay=1.0)


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match=r"dtype='float16'\): expected float32 or float64"):
        sim.setup(dtype="float16")
