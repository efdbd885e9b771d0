# SPDX-License-Identifier: Apache-2.0
"""Point neurons with currents and conductances against closed forms and fine integrations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from driven import run

from fastsnn import Dense, ModelError, Network
from fastsnn.models import propagators
from fastsnn.models.conductances import LIFCondAlpha, LIFCondExp, LIFCondExpSfaRr
from fastsnn.models.currents import LIFAlpha, LIFDelta, LIFExp
from fastsnn.sparse.drives import PoissonDrive
from fastsnn.sparse.wirings import FixedProbability

C_M, TAU_M, DT = 200.0, 10.0, 0.1
STEPS = 600
TIME = DT * np.arange(1, STEPS + 1)
# one rounding of v, 65 mV, a step; each is forgotten with tau_m
ROUNDING = 0.5 * 2.0**-17 * TAU_M / DT


def psp_exp(t: np.ndarray, w: float, tau: float) -> np.ndarray:
    """v - v_rest after a spike at 0 onto an exponential current."""
    t = np.maximum(t, 0.0)
    if tau == TAU_M:
        return w / C_M * t * np.exp(-t / tau)
    return w / C_M * TAU_M * tau / (TAU_M - tau) * (np.exp(-t / TAU_M) - np.exp(-t / tau))


def psp_alpha(t: np.ndarray, w: float, tau: float) -> np.ndarray:
    """v - v_rest after a spike at 0 onto an alpha current."""
    t = np.maximum(t, 0.0)
    if tau == TAU_M:
        return w * np.e / tau / C_M * 0.5 * t * t * np.exp(-t / tau)
    d = 1.0 / tau - 1.0 / TAU_M
    grown = (np.exp(-t / TAU_M) - np.exp(-t / tau)) / d**2 - t * np.exp(-t / tau) / d
    return w * np.e / tau / C_M * grown


@pytest.mark.parametrize(("tau_ex", "tau_inh"), [(0.5, 5.0), (10.0, 3.0), (20.0, 10.0)])
@pytest.mark.parametrize(("model", "psp"), [(LIFExp, psp_exp), (LIFAlpha, psp_alpha)])
def test_potentials_of_currents_are_exact(model, psp, tau_ex, tau_inh, backend):
    neuron = model(c_m=C_M, tau_m=TAU_M, tau_syn_ex=tau_ex, tau_syn_inh=tau_inh, v_thresh=1e6)
    got = run(
        neuron, STEPS, backend=backend,
        arrivals={10: {"ex": 150.0, "inh": -40.0}, 57: {"ex": 90.0}, 200: {"inh": -120.0}},
    )["v"][:, 0]  # fmt: skip
    # what arrives in a step acts from its end on
    want = -65.0 + psp(TIME - 1.1, 150.0, tau_ex) + psp(TIME - 1.1, -40.0, tau_inh)
    want += psp(TIME - 5.8, 90.0, tau_ex) + psp(TIME - 20.1, -120.0, tau_inh)
    assert np.abs(want + 65.0).max() > 0.3
    assert np.abs(got - want).max() < ROUNDING


def test_potentials_of_jumps_are_exact(backend):
    neuron = LIFDelta(c_m=C_M, tau_m=TAU_M, v_thresh=1e6)
    got = run(neuron, STEPS, backend=backend, arrivals={10: {"ex": 3.0}, 57: {"inh": -4.5}})["v"]

    def jump(t: np.ndarray, w: float) -> np.ndarray:
        return np.where(t > -1e-9, w * np.exp(-t / TAU_M), 0.0)

    want = -65.0 + jump(TIME - 1.1, 3.0) + jump(TIME - 5.8, -4.5)
    assert np.abs(got[:, 0] - want).max() < ROUNDING


@pytest.mark.parametrize("model", [LIFDelta, LIFExp, LIFAlpha, LIFCondExp, LIFCondAlpha])
@pytest.mark.parametrize("given", ["offset", "outside"])
def test_interval_at_constant_current_is_that_of_the_closed_form(model, given, backend):
    n, n_refrac = 130, 20
    current = np.linspace(290.0, 3000.0, n)
    # charging from reset to threshold, 15 mV: v - v_rest = I R (1 - exp(-t / tau_m))
    height = current * TAU_M / C_M
    steps = -TAU_M / DT * np.log(np.maximum(1e-9, 1.0 - 15.0 / height))
    exact = model in (LIFDelta, LIFExp, LIFAlpha)
    clear = (np.abs(steps - np.round(steps)) > (0.02 if exact else 0.05)) & (height > 15.5)
    offset = torch.tensor(current)
    neuron = model(
        c_m=C_M, tau_m=TAU_M, t_refrac=n_refrac * DT, i_offset=offset if given == "offset" else 0.0
    )
    outside = offset if given == "outside" else None
    spike = run(neuron, 1500, n=n, backend=backend, current=outside)["spike"]
    assert clear.sum() > 90
    assert not spike[:, height < 14.9].any()
    for k in np.flatnonzero(clear):
        found = np.diff(np.flatnonzero(spike[:, k]))
        assert len(found) > 2
        assert (found == n_refrac + np.ceil(steps[k])).all(), k


@pytest.mark.parametrize("model", [LIFDelta, LIFExp, LIFAlpha, LIFCondExp, LIFCondAlpha])
@pytest.mark.parametrize(("t_refrac", "held"), [(2.0, 20), (0.3, 3), (0.35, 4), (0.34, 3), (0, 0)])
def test_membrane_is_held_for_the_refractory_steps_and_no_longer(model, t_refrac, held, backend):
    neuron = model(c_m=C_M, tau_m=TAU_M, t_refrac=t_refrac, v_reset=-70.0, i_offset=8000.0)
    got = run(neuron, 120, backend=backend)
    fired = np.flatnonzero(got["spike"][:, 0])
    v = got["v"][:, 0]
    for t in fired[:-1]:
        assert (v[t : t + held + 1] == -70.0).all()
        assert held + 1 + t == 120 or v[t + held + 1] > -70.0


def test_currents_go_on_and_jumps_are_lost_while_a_neuron_is_refractory(backend):
    fire = {"v": -49.0}
    current = {3: {"ex": 100.0}}
    got = run(LIFExp(t_refrac=2.0), 40, backend=backend, arrivals=current, start=fire,
              watch=("v", "i_ex"))  # fmt: skip
    assert got["spike"][0, 0]
    decayed = 100.0 * np.exp(-0.1 * np.arange(37) / 2.0)
    assert np.abs(got["i_ex"][3:, 0] / decayed - 1.0).max() < 40 * 2.0**-23
    assert (got["v"][:21, 0] == -65.0).all()
    assert got["v"][21, 0] > -65.0
    lost = run(LIFDelta(t_refrac=2.0), 40, backend=backend, arrivals={3: {"ex": 5.0}}, start=fire)
    assert (lost["v"][:, 0] == -65.0).all()
    late = run(LIFDelta(t_refrac=2.0), 40, backend=backend, arrivals={21: {"ex": 5.0}}, start=fire)
    assert late["v"][21, 0] == -60.0


class Conductances:
    """The equations of LIFCondExp and LIFCondAlpha by fourth-order Runge-Kutta, in float64."""

    def __init__(self, p: dict, alpha: bool) -> None:
        self.p, self.alpha = p, alpha

    def slope(self, y: np.ndarray, i: float) -> np.ndarray:
        p, (v, g_e, s_e, g_i, s_i) = self.p, y
        dv = p["c_m"] / p["tau_m"] * (p["v_rest"] - v) + i
        dv += g_e * (p["e_rev_ex"] - v) + g_i * (p["e_rev_inh"] - v)
        rates = [dv / p["c_m"]]
        for g, s, tau in ((g_e, s_e, p["tau_syn_ex"]), (g_i, s_i, p["tau_syn_inh"])):
            rates += [s - g / tau if self.alpha else -g / tau, -s / tau]
        return np.array(rates)

    def integrate(self, steps: int, dt: float, arrivals: dict, i: float, sub: int) -> np.ndarray:
        y, out, h = np.array([self.p["v_rest"], 0, 0, 0, 0.0]), [], dt / sub
        for t in range(steps):
            for _ in range(sub):
                a = self.slope(y, i)
                b = self.slope(y + 0.5 * h * a, i)
                c = self.slope(y + 0.5 * h * b, i)
                d = self.slope(y + h * c, i)
                y = y + h / 6.0 * (a + 2 * b + 2 * c + d)
            for k, port in ((1, "ex"), (3, "inh")):
                w = arrivals.get(t, {}).get(port, 0.0)
                y[k + self.alpha] += w * np.e / self.p[f"tau_syn_{port}"] if self.alpha else w
            out.append(y[0])
        return np.array(out)


@pytest.mark.parametrize("model", [LIFCondExp, LIFCondAlpha])
def test_conductances_follow_a_fine_integration_and_gain_with_the_square_of_dt(model, backend):
    neuron = model(tau_syn_ex=2.0, tau_syn_inh=6.0, i_offset=40.0, v_thresh=1e6)
    fine = Conductances(neuron.values, model is LIFCondAlpha)
    error = {}
    for dt in (0.1, 1.0, 2.0):
        # at the same times: the end of steps 9 ms and 19 ms
        arrivals = {round(10 / dt) - 1: {"ex": 60.0}, round(20 / dt) - 1: {"inh": 90.0}}
        steps = round(60 / dt)
        got = run(neuron, steps, dt=dt, backend=backend, arrivals=arrivals)["v"][:, 0]
        want = fine.integrate(steps, dt, arrivals, 40.0, sub=round(dt / 0.02))
        assert np.abs(want - want[0]).max() > 5.0
        error[dt] = np.abs(got - want).max()
    assert error[0.1] < 1e-3
    assert error[1.0] < 0.1
    assert 3.0 < error[2.0] / error[1.0] < 6.0


def test_spikes_raise_conductances_that_adapt_the_rate(backend):
    """Against a fine integration that is given the spikes: conductances fall from their jumps."""
    neuron = LIFCondExpSfaRr(i_offset=900.0, q_rr=300.0, t_refrac=1.0)
    watch = ("v", "g_sfa", "g_rr")
    got = run(neuron, 3000, backend=backend, watch=watch, arrivals={40: {"ex": 5.0, "inh": 3.0}})
    p, h = neuron.values, DT / 20
    fired = got["spike"][:, 0].nonzero()[0]
    assert 5 < len(fired) < 100
    # intervals grow
    assert np.diff(fired)[-1] > 1.3 * np.diff(fired)[1]
    v, g, held, want = p["v_rest"], dict.fromkeys(("ex", "inh", "sfa", "rr"), 0.0), 0, []
    tau = {"ex": p["tau_syn_ex"], "inh": p["tau_syn_inh"], "sfa": p["tau_sfa"], "rr": p["tau_rr"]}
    for t in range(3000):
        for k in range(20):
            g_now = {n: x * np.exp(-(k + 0.5) * h / tau[n]) for n, x in g.items()}
            pull = sum(x * p[f"e_rev_{n}"] for n, x in g_now.items())
            g_leak = p["c_m"] / p["tau_m"]
            total = g_leak + sum(g_now.values())
            v_inf = (pull + g_leak * p["v_rest"] + p["i_offset"]) / total
            if held == 0:
                v = v_inf + (v - v_inf) * np.exp(-h * total / p["c_m"])
        held = max(held - 1, 0)
        g = {n: x * np.exp(-DT / tau[n]) for n, x in g.items()}
        if t == 40:
            g["ex"], g["inh"] = g["ex"] + 5.0, g["inh"] + 3.0
        if got["spike"][t, 0]:
            v, held = p["v_reset"], 10
            g["sfa"], g["rr"] = g["sfa"] + p["q_sfa"], g["rr"] + 300.0
        want.append((v, g["sfa"], g["rr"]))
    for name, values in zip(watch, np.array(want).T, strict=True):
        bound = 5e-3 if name == "v" else 1e-4 * values.max()
        assert np.abs(got[name][:, 0] - values).max() < bound, name
    # no spike is missed or early: at its step v would have crossed the threshold
    free = run(neuron, int(fired[0]), backend=backend, arrivals={40: {"ex": 5.0, "inh": 3.0}})["v"]
    assert free.max() < p["v_thresh"]


def test_no_conductance_carries_the_membrane_past_its_reversal_potential(backend):
    for model in (LIFCondExp, LIFCondAlpha):
        got = run(
            model(v_thresh=1e6), 60, dt=1.0, backend=backend, arrivals={5: {"ex": 1e6}}
        )["v"]  # fmt: skip
        assert got.max() <= 0.0
        assert got.max() > -1.0


@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0])
def test_propagators_are_the_integrals_at_every_time_constant(dt):
    s, weight = np.polynomial.legendre.leggauss(40)
    s, weight = 0.5 * dt * (s + 1.0), 0.5 * dt * weight
    for tau_m, tau_syn in ((10.0, 0.5), (10.0, 10.0), (10.0, 10.0 + 1e-9), (0.3, 20.0), (1e4, 5.0)):
        kernel = weight * np.exp(-(dt - s) / tau_m) * np.exp(-s / tau_syn) / 250.0
        for found, want in (
            (propagators.from_exponential(dt, tau_m, tau_syn, 250.0), kernel.sum()),
            (propagators.from_slope(dt, tau_m, tau_syn, 250.0), (s * kernel).sum()),
        ):
            assert abs(float(found) / want - 1.0) < 1e-13
    assert propagators.steps(2.0, dt) == round(2.0 / dt)


def test_neurons_of_a_population_may_differ_in_every_parameter(backend):
    n = 17
    draw = torch.Generator().manual_seed(3)

    def around(x: float) -> torch.Tensor:
        return x * (0.8 + 0.4 * torch.rand(n, generator=draw, dtype=torch.float64))

    given = {
        "c_m": around(200.0), "tau_m": around(10.0), "tau_syn_ex": around(3.0),
        "t_refrac": around(1.0), "i_offset": around(600.0), "v_reset": around(-65.0),
    }  # fmt: skip
    together = run(LIFExp(**given), 300, n=n, backend=backend, arrivals={9: {"ex": 300.0}})
    assert together["spike"].any(0).all()
    for k in (0, 5, 16):
        alone = run(
            LIFExp(**{name: float(x[k]) for name, x in given.items()}), 300, backend=backend,
            arrivals={9: {"ex": 300.0}},
        )  # fmt: skip
        assert np.array_equal(alone["v"][:, 0], together["v"][:, k])


def test_conductances_may_not_be_negative():
    net = Network(dt=0.1, backend="torch")
    net.population("a", LIFCondExp(), 3)
    with pytest.raises(ModelError, match="a weight is negative, but those onto the receptor 'inh'"):
        net.projection("a", "a", Dense(-1.0), receptor="inh")
    with pytest.raises(ModelError, match="expected no negative ones here"):
        net.projection("a", "a", FixedProbability(0.5, w=-1.0), receptor="inh")
    with pytest.raises(ModelError, match="a weight is negative"):
        net.drive("a", PoissonDrive(10.0, -1.0), receptor="ex")
    assert not net.projections
    assert not net.sparse
    assert not net.drives
    net.projection("a", "a", Dense(1.0), receptor="inh")


def test_a_receptor_that_a_model_lacks_is_named(backend):
    net = Network(dt=0.1, backend=backend)
    net.population("a", LIFExp(), 3)
    with pytest.raises(ModelError, match="LIFExp has no receptor 'nmda'; it has ex, inh"):
        net.projection("a", "a", Dense(1.0), receptor="nmda")
