# SPDX-License-Identifier: Apache-2.0
"""Cells of the PyNN backend that are made of parts or need more than a translation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pyNN")

from pyNN.errors import InvalidParameterValueError
from pyNN.parameters import Sequence

import fastsnn.pynn as sim
from fastsnn import ModelError


@pytest.fixture(autouse=True)
def _fresh() -> None:
    sim.setup(timestep=0.1, seed=5)


def signal(population, name: str) -> np.ndarray:
    """A recorded variable of the last segment, [samples, cells]."""
    return population.get_data().segments[-1].filter(name=name)[0].magnitude


def stimulated(cells, weights: dict[str, float]) -> None:
    """Spikes onto receptors of all cells of an assembly, one after another."""
    for k, (receptor, weight) in enumerate(weights.items()):
        source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0 + 12.0 * k, 60.0]))
        synapse = sim.StaticSynapse(weight=weight, delay=1.5)
        sim.Projection(source, cells, sim.AllToAllConnector(), synapse, receptor_type=receptor)


@pytest.mark.parametrize(
    ("whole", "membrane", "psr", "names"),
    [
        (sim.IF_curr_exp, sim.LIF, sim.CurrExpPostSynapticResponse, ("", "isyn")),
        (sim.IF_cond_exp, sim.LIF, sim.ExpPSR, ("e_rev_", "gsyn")),
        (sim.IF_cond_alpha, sim.LIF, sim.AlphaPSR, ("e_rev_", "gsyn")),
        (sim.EIF_cond_exp_isfa_ista, sim.AdExp, sim.ExpPSR, ("e_rev_", "gsyn")),
        (sim.EIF_cond_alpha_isfa_ista, sim.AdExp, sim.AlphaPSR, ("e_rev_", "gsyn")),
    ],
)
def test_a_composed_cell_is_the_standard_one(whole, membrane, psr, names) -> None:
    reversal, variable = names
    shared = {"tau_m": 12.0, "v_rest": -66.0, "tau_refrac": 1.0, "i_offset": 1.5}
    taus = {"E": 2.0, "I": 6.0}
    given = {f"tau_syn_{k}": v for k, v in taus.items()}
    responses = {k: psr(tau_syn=v) for k, v in taus.items()}
    if reversal:
        given |= {"e_rev_E": 0.0, "e_rev_I": -80.0}
        responses["I"] = psr(tau_syn=6.0, e_syn=-80.0)
    a = sim.Population(2, whole(**shared, **given), initial_values={"v": -66.0})
    composed = sim.PointNeuron(
        membrane(**shared), excitatory=responses["E"], inhibitory=responses["I"]
    )
    b = sim.Population(2, composed, initial_values={"v": -66.0})
    weight = 0.05 if reversal else 0.6
    stimulated(a + b, {"excitatory": weight, "inhibitory": weight if reversal else -weight})
    a.record(["v", "spikes", f"{variable}_exc", f"{variable}_inh"])
    b.record(["v", "spikes", f"excitatory.{variable}", f"inhibitory.{variable}"])
    sim.run(100.0)
    assert a.get_spike_counts()[a[0]] >= 1
    np.testing.assert_array_equal(signal(a, "v"), signal(b, "v"))
    for side in ("exc", "inh"):
        receptor = {"exc": "excitatory", "inh": "inhibitory"}[side]
        want = signal(a, f"{variable}_{side}")
        assert np.abs(want).max() > 0.01
        np.testing.assert_array_equal(want, signal(b, f"{receptor}.{variable}"))


def test_parameters_of_receptors_have_their_names() -> None:
    kinds = {"AMPA": sim.ExpPSR(tau_syn=2.0), "NMDA": sim.AlphaPSR(tau_syn=[30.0, 40.0])}
    cells = sim.Population(2, sim.PointNeuron(sim.LIF(cm=0.5), **kinds))
    cells.initialize(**{"NMDA.gsyn": 0.002})
    cells.record(["AMPA.gsyn", "NMDA.gsyn"])
    assert cells.get("NMDA.tau_syn").tolist() == [30.0, 40.0]
    assert cells.get(["cm", "AMPA.e_syn"]) == [0.5, 0.0]
    cells[1:2].set(**{"AMPA.tau_syn": 4.0, "cm": 0.25})
    assert cells.get("AMPA.tau_syn").tolist() == [2.0, 4.0]
    assert cells.get("cm").tolist() == [0.5, 0.25]
    stimulated(cells, {"AMPA": 0.01})
    sim.run(10.0)
    fallen = 0.01 * np.exp(-3.5 / np.array([2.0, 4.0]))
    np.testing.assert_allclose(signal(cells, "AMPA.gsyn")[-1], fallen, rtol=1e-5)
    assert signal(cells, "NMDA.gsyn")[0].tolist() == pytest.approx([0.002, 0.002])


def test_cells_that_cannot_be_composed() -> None:
    with pytest.raises(TypeError, match=r"PointNeuron\(IF_curr_exp, AMPA=CondExp.*expected LIF"):
        sim.PointNeuron(sim.IF_curr_exp(), AMPA=sim.ExpPSR())
    with pytest.raises(TypeError, match="AMPA=float"):
        sim.PointNeuron(sim.LIF(), AMPA=1.0)
    with pytest.raises(ModelError, match=r"membranes .* differ"):
        sim.PointNeuron(sim.LIF(), AMPA=sim.ExpPSR(), GABA=sim.CurrExpPostSynapticResponse())


def test_conductances_of_a_cell_adapt_its_rate() -> None:
    cell = sim.Population(1, sim.IF_cond_exp_gsfa_grr(i_offset=1.5, q_sfa=20.0, tau_sfa=50.0))
    cell.record(["spikes", "g_s", "g_r", "v"])
    sim.run(400.0)
    times = cell.get_data().segments[0].spiketrains[0].magnitude
    assert len(times) > 4
    t = 0.1 * np.arange(4001)
    for name, q, tau in (("g_s", 20.0, 50.0), ("g_r", 3000.0, 2.0)):
        since = t[:, None] - times
        want = q * np.where(since > -1e-6, np.exp(-np.maximum(since, 0) / tau), 0.0).sum(1)
        np.testing.assert_allclose(signal(cell, name)[:, 0], want, atol=1e-3 * q)
    assert signal(cell, "v")[round(10 * times[0]), 0] == -65.0


def test_intervals_of_an_inhomogeneous_gamma_process() -> None:
    """Up to 2 s shape 3 and rate 50 Hz, then Poisson at 10 Hz."""
    a, b = Sequence([3.0, 1.0]), Sequence([1 / 150.0, 0.1])
    given = {"a": a, "b": b, "tbins": Sequence([0.0, 2000.0]), "start": 100.0}
    sim.setup(timestep=0.5, seed=2)
    source = sim.Population(100, sim.SpikeSourceInhGamma(**given))
    source.record("spikes")
    for t in (700.0, 3400.0):
        sim.run(t)
    trains = [t.magnitude for t in source.get_data().segments[0].spiketrains]
    assert min(t[0] for t in trains) > 100.0
    early = np.concatenate([np.diff(t[t <= 2000.0]) for t in trains])
    assert early.mean() == pytest.approx(20.0, rel=0.03)
    assert early.std() / early.mean() == pytest.approx(1 / np.sqrt(3.0), rel=0.05)
    late = sum((t > 2100.0).sum() for t in trains) / 100 / 2.0
    assert late == pytest.approx(10.0, rel=0.1)
    # one run or many: the same spikes
    sim.reset()
    sim.run(4100.0)
    again = [t.magnitude for t in source.get_data().segments[1].spiketrains]
    assert all(np.array_equal(x, y) for x, y in zip(trains, again, strict=True))


def test_histograms_of_a_gamma_process_are_checked() -> None:
    for given, what in (
        ({"a": [1.0, 2.0]}, "have 2, 1, 1 values"),
        ({"b": [0.0]}, "expected a and b above 0"),
    ):
        sim.setup(timestep=0.1)
        numbers = {k: Sequence(v) for k, v in given.items()}
        sim.Population(1, sim.SpikeSourceInhGamma(**numbers))
        with pytest.raises(InvalidParameterValueError, match=what):
            sim.run(1.0)
