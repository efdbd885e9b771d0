# SPDX-License-Identifier: Apache-2.0
"""The PyNN backend: timing, parameters, connectors, recording, plasticity."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("pyNN")

import fastsnn.pynn as sim


@pytest.fixture(autouse=True)
def _fresh() -> None:
    sim.setup(timestep=0.1)


def signal(population, name: str) -> np.ndarray:
    """A recorded variable of the last segment, [samples, cells]."""
    return population.get_data().segments[-1].filter(name=name)[0].magnitude


def driven(celltype, weight: float, delay: float, receptor: str = "excitatory"):
    """A cell, and a spike at 5 ms that reaches it."""
    cell = sim.Population(1, celltype)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    synapse = sim.StaticSynapse(weight=weight, delay=delay)
    sim.Projection(source, cell, sim.AllToAllConnector(), synapse, receptor_type=receptor)
    return cell


def test_a_spike_acts_after_its_delay() -> None:
    cell = driven(sim.IF_curr_exp(), 1.0, 1.5)
    jump = driven(sim.IF_curr_delta(), 2.0, 1.5)
    for p in (cell, jump):
        p.record("v")
    cell.record("isyn_exc")
    sim.run(10.0)
    assert signal(cell, "v").shape == (101, 1)
    assert (signal(cell, "v")[:66] == -65.0).all()
    assert signal(cell, "v")[66, 0] > -65.0
    assert signal(cell, "isyn_exc")[65, 0] == pytest.approx(1.0, rel=1e-4)
    assert signal(jump, "v")[65, 0] == pytest.approx(-63.0, rel=1e-4)


def test_exact_integration_of_a_current_step() -> None:
    cell = sim.Population(1, sim.IF_curr_exp(cm=0.5, tau_m=15.0, v_thresh=100.0))
    cell.record("v")
    source = sim.DCSource(amplitude=0.2, start=2.0, stop=8.0)
    source.inject_into(cell)
    source.record()
    sim.run(12.0)
    v = signal(cell, "v")[:, 0]
    t = np.arange(121) * 0.1
    up = 6.0 * (1 - np.exp(-(np.clip(t, 2.0, 8.0) - 2.0) / 15.0))
    expected = -65.0 + up * np.exp(-np.clip(t - 8.0, 0.0, None) / 15.0)
    assert np.abs(v - expected).max() < 1e-4
    current = source.get_data().magnitude[:, 0]
    assert current[19] == 0.0
    assert current[20] == 0.2
    assert current[80] == 0.0


def test_one_run_or_many_give_the_same() -> None:
    def trace(times: list[float]) -> np.ndarray:
        sim.setup(timestep=0.1, seed=3)
        source = sim.Population(5, sim.SpikeSourcePoisson(rate=200.0, start=3.0, duration=15.0))
        cells = sim.Population(4, sim.IF_cond_exp())
        synapse = sim.StaticSynapse(weight=0.01, delay=2.0)
        sim.Projection(source, cells, sim.AllToAllConnector(), synapse)
        sim.NoisyCurrentSource(mean=0.2, stdev=0.1, dt=0.5).inject_into(cells[1:3])
        cells.record("v", sampling_interval=0.5)
        for t in times:
            sim.run(t)
        return signal(cells, "v")

    whole = trace([20.0])
    assert whole.shape == (41, 4)
    assert (whole[10:] > -65.0).any()
    np.testing.assert_array_equal(whole, trace([4.0, 0.3, 10.7, 5.0]))


def test_changes_between_runs_keep_the_state() -> None:
    cells = sim.Population(2, sim.IF_curr_exp(v_thresh=100.0, i_offset=0.5))
    cells.record("v")
    sim.run(10.0)
    cells[0:1].set(i_offset=0.0)
    late = sim.Population(1, sim.SpikeSourceArray(spike_times=[12.0]))
    projection = sim.Projection(
        late, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.0, delay=0.5)
    )
    projection.set(weight=[2.0, 3.0])
    sim.run(10.0)
    v = signal(cells, "v")
    assert v[100, 0] == v[100, 1]
    assert v[101, 0] < v[100, 0] < v[101, 1]
    assert cells.get("i_offset").tolist() == [0.0, 0.5]
    assert projection.get("weight", format="array").tolist() == [[2.0, 3.0]]
    sim.reset()
    sim.run(5.0)
    segments = cells.get_data().segments
    assert len(segments) == 2
    assert segments[1].analogsignals[0].shape == (51, 2)
    assert signal(cells, "v")[0].tolist() == [-65.0, -65.0]


@pytest.mark.parametrize(
    "connector",
    [
        sim.AllToAllConnector(),
        sim.OneToOneConnector(),
        sim.FixedProbabilityConnector(0.4),
        sim.FixedNumberPreConnector(3),
        sim.FixedNumberPostConnector(3),
        sim.FixedTotalNumberConnector(20),
        sim.FromListConnector([(0, 1, 0.2, 1.0), (5, 3, 0.4, 2.0)]),
        sim.DistanceDependentProbabilityConnector("d < 3"),
        sim.FixedProbabilityConnector(0.4, rng=sim.NativeRNG(1)),
        sim.FixedNumberPreConnector(3, rng=sim.NativeRNG(1)),
        sim.FixedTotalNumberConnector(20, rng=sim.NativeRNG(1)),
    ],
    ids=lambda c: f"{type(c).__name__}-{type(getattr(c, 'rng', None)).__name__}",
)
def test_connectors_deliver_what_they_list(connector) -> None:
    pre = sim.Population(8, sim.SpikeSourceArray(spike_times=[1.0]))
    post = sim.Population(8, sim.IF_curr_delta(v_thresh=1e3, tau_m=1e6, v_rest=0.0))
    post.initialize(v=0.0)
    synapse = sim.StaticSynapse(weight=0.25, delay=0.5)
    projection = sim.Projection(pre, post, connector, synapse, receptor_type="excitatory")
    post.record("v")
    sim.run(5.0)
    weights = projection.get("weight", format="array")
    assert len(projection) == len(projection.get("delay", format="list")) > 0
    np.testing.assert_allclose(signal(post, "v")[-1], np.nansum(weights, axis=0), atol=1e-3)


def test_assemblies_and_views_reach_the_right_cells() -> None:
    a = sim.Population(3, sim.SpikeSourceArray(spike_times=[1.0]))
    b = sim.Population(4, sim.SpikeSourceArray(spike_times=[1.0]))
    c = sim.Population(5, sim.IF_curr_delta(v_thresh=1e3))
    d = sim.Population(6, sim.IF_curr_delta(v_thresh=1e3))
    listed = sim.FromListConnector([(2, 0, 1.0, 0.1), (3, 1, 2.0, 0.1), (4, 2, 4.0, 0.1)])
    sim.Projection(a[1:3] + b, c[3:5] + d, listed, sim.StaticSynapse())
    for p in (c, d):
        p.record("v")
    sim.run(1.1)
    assert signal(c, "v")[-1].round(3).tolist() == [-65.0, -65.0, -65.0, -64.0, -63.0]
    assert signal(d, "v")[-1].round(3).tolist() == [-61.0, *[-65.0] * 5]


def test_native_random_numbers_make_no_list() -> None:
    rng = sim.NativeRNG(5)
    cells = sim.Population(200, sim.IF_curr_exp())
    weight = sim.RandomDistribution("normal_clipped", mu=0.1, sigma=0.05, low=0, high=1, rng=rng)
    projection = sim.Projection(
        cells, cells, sim.FixedProbabilityConnector(0.1, rng=rng),
        sim.StaticSynapse(weight=weight, delay=1.0),
    )  # fmt: skip
    assert projection.wiring is not None
    sim.run(1.0)
    assert projection._columns is None
    weights = np.array(projection.get("weight", format="list", with_address=False))
    assert abs(len(weights) - 4000) < 300
    assert abs(weights.mean() - 0.1) < 0.01
    assert weights.min() >= 0.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: sim.SpikeSourcePoisson(rate=50.0, start=100.0),
        lambda: sim.SpikeSourceGamma(alpha=[2.0] * 25 + [3.0] * 25, beta=125.0, start=100.0),
        lambda: sim.SpikeSourcePoissonRefractory(rate=50.0, tau_refrac=5.0, start=100.0),
    ],
)
def test_rates_of_sources(make) -> None:
    source = sim.Population(50, make())
    source.record("spikes")
    sim.run(1100.0)
    counts = np.array(list(source.get_spike_counts().values()))
    rate = 62.5 if isinstance(source.celltype, sim.SpikeSourceGamma) else 50.0
    assert counts[:25].mean() == pytest.approx(rate, rel=0.1)
    assert all(float(t[0]) >= 100.0 for t in source.get_data().segments[0].spiketrains if len(t))


@pytest.mark.parametrize(("fraction", "sign"), [(1.0, 1), (1.0, -1), (0.0, 1)])
def test_a_pair_of_spikes_changes_the_weight(fraction: float, sign: int) -> None:
    stdp = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=20, tau_minus=10, A_plus=0.1, A_minus=0.2),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=2.0),
        weight=1.0, delay=1.0, dendritic_delay_fraction=fraction,
    )  # fmt: skip
    post = sim.Population(1, sim.IF_curr_delta())
    force = sim.Population(1, sim.SpikeSourceArray(spike_times=[30.0]))
    pre = sim.Population(1, sim.SpikeSourceArray(spike_times=[30.1 - 5.0 * sign, 80.0]))
    static = sim.StaticSynapse(weight=50.0, delay=0.1)
    sim.Projection(force, post, sim.AllToAllConnector(), static)
    projection = sim.Projection(pre, post, sim.AllToAllConnector(), stdp)
    sim.run(60.0)
    # the spikes meet at the synapse: one side comes later by the delay
    apart = 5.0 * sign + (1.0 if fraction else -1.0)
    change = 0.2 * np.exp(-apart / 20.0) if apart > 0 else -0.4 * np.exp(apart / 10.0)
    assert projection.get("weight", format="list")[0][2] == pytest.approx(1 + change, rel=1e-4)
    sim.reset()
    assert projection.get("weight", format="list")[0][2] == pytest.approx(1.0)


def test_written_at_the_end(tmp_path) -> None:
    from neo.io import PickleIO

    cells = sim.Population(2, sim.IF_cond_exp(i_offset=0.5))
    cells.record(["v", "spikes"], to_file=str(tmp_path / "out.pkl"))
    sim.run(30.0)
    sim.end()
    segment = PickleIO(str(tmp_path / "out.pkl")).read_block().segments[0]
    assert segment.analogsignals[0].shape == (301, 2)
    assert len(segment.spiketrains) == 2


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the"):
        sim.Population(1, sim.IF_cond_exp()).record("v", sampling_interval=0.15)
    with pytest.raises(ValueError, match="no variable 'x'"):
        sim.Population(1, sim.IF_cond_exp()).initialize(x=1.0)
    with pytest.raises(ValueError, match="ascending"):
        sim.StepCurrentSource(times=[1.0, 0.5], amplitudes=[0.1, 0.2])


def test_depression_and_facilitation() -> None:
    times = [5.0, 15.0, 25.0, 65.0]
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=times))
    cells = sim.Population(2, sim.IF_curr_exp(tau_syn_E=0.3, v_thresh=1e3))
    u_0 = np.array([[0.5, 0.2]])
    synapse = sim.TsodyksMarkramSynapse(
        weight=2.0, delay=1.0, U=u_0, tau_rec=100.0, tau_facil=np.array([[0.0, 50.0]])
    )
    projection = sim.Projection(source, cells, sim.AllToAllConnector(), synapse)
    cells.record("isyn_exc")
    for _ in range(2):
        sim.run(80.0)
        got = signal(cells, "isyn_exc")[[round(10 * t) + 10 for t in times]]
        for cell, (start, facil) in enumerate([(0.5, 1e-9), (0.2, 50.0)]):
            u, r, last = 0.0, 1.0, times[0]
            for k, t in enumerate(times):
                u = u * np.exp(-(t - last) / facil)
                u, r = u + start * (1 - u), 1 + (r - 1) * np.exp(-(t - last) / 100.0)
                assert got[k, cell] == pytest.approx(2.0 * u * r, rel=1e-4)
                r, last = r * (1 - u), t
        sim.reset()
    assert projection.get("U", format="array").tolist() == u_0.tolist()


@pytest.mark.parametrize(
    "dependence",
    [sim.MultiplicativeWeightDependence, sim.AdditivePotentiationMultiplicativeDepression],
)
def test_weight_dependences(dependence) -> None:
    stdp = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=20, tau_minus=10, A_plus=0.1, A_minus=0.2),
        weight_dependence=dependence(w_min=0.0, w_max=2.0),
        weight=0.5,
        delay=1.0,
    )
    post = sim.Population(2, sim.IF_curr_delta())
    force = sim.Population(1, sim.SpikeSourceArray(spike_times=[30.0]))
    pre = sim.Population(2, sim.SpikeSourceArray(spike_times=[25.1, 36.1]))
    pre[0:1].set(spike_times=[25.1])
    pre[1:2].set(spike_times=[36.1])
    static = sim.StaticSynapse(weight=50.0, delay=0.1)
    sim.Projection(force, post, sim.AllToAllConnector(), static)
    projection = sim.Projection(pre, post, sim.OneToOneConnector(), stdp)
    sim.run(60.0)
    up, down = projection.get("weight", format="list", with_address=False)
    room = 1.5 if dependence is sim.MultiplicativeWeightDependence else 2.0
    assert up == pytest.approx(0.5 + 0.1 * room * np.exp(-6.0 / 20.0), rel=1e-4)
    assert down == pytest.approx(0.5 - 0.2 * 0.5 * np.exp(-5.0 / 10.0), rel=1e-4)


def test_stochastic_synapses_fail_on_their_own() -> None:
    times = np.arange(1.0, 101.0)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=times))
    cells = sim.Population(4, sim.IF_curr_delta(v_thresh=1e6, tau_m=1e9, v_rest=0.0))
    cells.initialize(v=0.0)
    synapse = sim.SimpleStochasticSynapse(weight=1.0, p=np.array([[0.0, 0.5, 0.5, 1.0]]), delay=0.5)
    sim.Projection(source, cells, sim.AllToAllConnector(), synapse, receptor_type="excitatory")
    cells.record("v")
    sim.run(101.0)
    v = signal(cells, "v")
    assert v[14].max() == 0.0
    assert v[15].round(2).tolist()[::3] == [0.0, 1.0]
    assert v[-1, 3] == pytest.approx(100.0, rel=1e-3)
    assert 30 < v[-1, 1] < 70
    assert (np.diff(v[:, 1]) != np.diff(v[:, 2])).any()


def test_one_cell_to_one_cell() -> None:
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    cell = sim.Population(1, sim.IF_cond_exp())
    weight = sim.RandomDistribution("uniform", low=0.1, high=0.2, rng=sim.NumpyRNG(1))
    synapse = sim.StaticSynapse(weight=weight, delay=0.5)
    projection = sim.Projection(source, cell, sim.OneToOneConnector(), synapse)
    assert 0.1 <= projection.get("weight", format="list")[0][2] <= 0.2


def test_the_page_of_the_documentation_runs(root, capsys) -> None:
    text = (root / "docs/pynn.md").read_text()
    exec(re.search(r"```python\n(.*?)```", text, re.S)[1], {})
    count, shape = capsys.readouterr().out.split(maxsplit=1)
    assert 0.1 < float(count) < 40.0
    assert shape.strip() == "(201, 3)"
