# SPDX-License-Identifier: Apache-2.0
"""Synapses of the PyNN backend with dynamics: rules, delays in parts, release by chance."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pyNN")

from pyNN import errors
from pyNN.parameters import Sequence

import fastsnn.pynn as sim


@pytest.fixture(autouse=True)
def _fresh() -> None:
    sim.setup(timestep=0.1, seed=5)


def signal(population, name: str) -> np.ndarray:
    """A recorded variable of the last segment, [samples, cells]."""
    return population.get_data().segments[-1].filter(name=name)[0].magnitude


def counter(n: int):
    """Cells that add up what arrives."""
    cells = sim.Population(n, sim.IF_curr_delta(v_thresh=1e6, tau_m=1e9, v_rest=0.0))
    cells.initialize(v=0.0)
    cells.record("v")
    return cells


def paired(synapse, apart: list[float], post_time: float = 30.0):
    """Synapses i -> i whose postsynaptic spikes come `apart` ms after the presynaptic ones."""
    n = len(apart)
    post = sim.Population(n, sim.IF_curr_delta())
    force = sim.Population(1, sim.SpikeSourceArray(spike_times=[post_time]))
    sim.Projection(force, post, sim.AllToAllConnector(), sim.StaticSynapse(weight=50.0, delay=0.1))
    times = [Sequence([post_time + 0.1 - d]) for d in apart]
    pre = sim.Population(n, sim.SpikeSourceArray(spike_times=times))
    return sim.Projection(pre, post, sim.OneToOneConnector(), synapse)


def weights(projection) -> list[float]:
    return projection.get("weight", format="list", with_address=False)


APART = [-11.0, -4.0, 2.5, 6.0]


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.75, 1.0])
def test_a_delay_is_divided_between_axon_and_dendrite(fraction: float) -> None:
    stdp = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=20, tau_minus=10, A_plus=0.1, A_minus=0.2),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=2.0),
        weight=1.0, delay=2.0, dendritic_delay_fraction=fraction,
    )  # fmt: skip
    projection = paired(stdp, APART)
    projection.post.record("v")
    sim.run(60.0)
    seen = np.array(APART) + 2.0 * (2 * fraction - 1)
    change = np.where(seen > 0, 0.2 * np.exp(-seen / 20.0), -0.4 * np.exp(seen / 10.0))
    np.testing.assert_allclose(weights(projection), 1.0 + change, rtol=1e-4)
    # whatever the rule sees, the current comes after all of the delay
    rises = np.diff(signal(projection.post, "v")[:, 0])
    assert rises[round(10 * (30.1 + 11.0 + 2.0)) - 1] > 0.5
    sim.reset()
    assert weights(projection) == pytest.approx([1.0] * 4)


def test_rules_may_differ_between_synapses() -> None:
    amplitude, slope = np.diag([0.1, 0.2, 0.1, 0.3]), np.diag([20.0, 20.0, 10.0, 5.0])
    stdp = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=slope, A_plus=amplitude, A_minus=0.05),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=2.0),
        weight=1.0, delay=0.5,
    )  # fmt: skip
    projection = paired(stdp, [3.0] * 4)
    sim.run(60.0)
    want = 1.0 + 2.0 * np.diag(amplitude) * np.exp(-3.5 / np.diag(slope))
    np.testing.assert_allclose(weights(projection), want, rtol=1e-4)
    projection.set(weight=0.5)
    assert weights(projection) == [0.5] * 4


@pytest.mark.parametrize(("mu_plus", "mu_minus"), [(0.5, 0.3), (0.0, 1.0)])
def test_weight_dependence_of_guetig(mu_plus: float, mu_minus: float) -> None:
    stdp = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=20, tau_minus=10, A_plus=0.1, A_minus=0.2),
        weight_dependence=sim.GutigWeightDependence(
            w_min=0.0, w_max=2.0, mu_plus=mu_plus, mu_minus=mu_minus
        ),
        weight=0.5, delay=1.0,
    )  # fmt: skip
    projection = paired(stdp, APART)
    sim.run(60.0)
    seen = np.array(APART) + 1.0
    up = 0.2 * 0.75**mu_plus * np.exp(-seen / 20.0)
    down = -0.4 * 0.25**mu_minus * np.exp(seen / 10.0)
    np.testing.assert_allclose(weights(projection), 0.5 + np.where(seen > 0, up, down), rtol=1e-4)


def test_rule_of_vogels() -> None:
    stdp = sim.STDPMechanism(
        timing_dependence=sim.Vogels2011Rule(tau=20.0, eta=0.1, rho=10.0),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=2.0),
        weight=0.5, delay=1.0,
    )  # fmt: skip
    projection = paired(stdp, APART)
    sim.run(60.0)
    seen = np.abs(np.array(APART) + 1.0)
    want = 0.5 + 0.1 * (np.exp(-seen / 20.0) - 2 * 0.010 * 20.0)
    np.testing.assert_allclose(weights(projection), want, rtol=1e-4)
    with pytest.raises(errors.NoModelAvailableError, match="expected AdditiveWeightDependence"):
        sim.STDPMechanism(sim.Vogels2011Rule(), sim.GutigWeightDependence())


def test_release_by_chance_is_tsodyks_markram_on_average() -> None:
    n, times = 2000, [5.0, 15.0, 25.0, 125.0]
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=times))
    cells = counter(n)
    synapse = sim.StochasticTsodyksMarkramSynapse(
        weight=1.0, delay=0.5, U=0.3, tau_rec=100.0, tau_facil=50.0
    )
    sim.Projection(source, cells, sim.AllToAllConnector(), synapse, receptor_type="excitatory")
    sim.run(130.0)
    came = np.diff(signal(cells, "v"), axis=0).round(3)
    steps = [round(10 * t) + 4 for t in times]
    assert set(np.unique(came)) == {0.0, 1.0}
    u, r, last = 0.0, 1.0, 0.0
    for t, step in zip(times, steps, strict=True):
        u *= np.exp(-(t - last) / 50.0)
        u, r = u + 0.3 * (1 - u), 1 + (r - 1) * np.exp(-(t - last) / 100.0)
        p = u * r
        assert abs(came[step].mean() - p) < 5 * np.sqrt(p * (1 - p) / n)
        r, last = r - p, t
    assert came.sum() == came[steps].sum()


def test_quanta_are_released_one_by_one() -> None:
    cells = counter(3)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=np.arange(10.0, 4000.0, 10.0)))
    n = np.array([[1, 4, 10]])
    synapse = sim.MultiQuantalSynapse(weight=2.0, delay=0.5, U=0.4, n=n, tau_rec=50.0)
    sim.Projection(source, cells, sim.AllToAllConnector(), synapse, receptor_type="excitatory")
    sim.run(4000.0)
    came = np.diff(signal(cells, "v")[::100], axis=0)
    # sites that are filled with probability q before a spike, which empties them with U
    q = (1 - np.exp(-0.2)) / (1 - 0.6 * np.exp(-0.2))
    for k, sites in enumerate(n[0]):
        quanta = came[1:, k] * sites / 2.0
        assert np.abs(quanta - quanta.round()).max() < 0.01
        assert quanta.max() <= sites + 0.01
        assert came[50:, k].mean() == pytest.approx(2.0 * 0.4 * q, rel=0.2)
    none = sim.MultiQuantalSynapse(n=0, delay=1.0)
    sim.Projection(source, cells, sim.AllToAllConnector(), none)
    with pytest.raises(ValueError, match=r"n=0.*expected a whole number"):
        sim.run(0.1)


@pytest.mark.parametrize("kind", [sim.TsodyksMarkramSynapse, sim.StochasticTsodyksMarkramSynapse])
def test_utilisation_starts_where_it_is_told_to(kind) -> None:
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cells = counter(3)
    synapse = kind(weight=1.0, delay=0.5, U=0.5, tau_rec=100.0, tau_facil=1e9)
    projection = sim.Projection(source, cells, sim.AllToAllConnector(), synapse)
    projection.initialize(u=[0.0, 0.6, 1.0])
    for _ in range(2):
        sim.run(10.0)
        came = signal(cells, "v")[-1]
        if kind is sim.TsodyksMarkramSynapse:
            assert came.tolist() == pytest.approx([0.5, 0.8, 1.0], abs=1e-3)
        else:
            assert came[2] == pytest.approx(1.0, abs=1e-3)
        sim.reset()
    with pytest.raises(NotImplementedError, match="after the first run"):
        projection.initialize(u=0.0)
    with pytest.raises(ValueError, match="no variable 'x' to initialise"):
        projection.initialize(x=0.0)
