# SPDX-License-Identifier: Apache-2.0
"""AdEx, Izhikevich and Hodgkin-Huxley neurons against fine integrations and published programs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from driven import run

from fastsnn import Current, Dense, Network
from fastsnn.models.exponential import AdExCondAlpha, AdExCondExp, AdExExp
from fastsnn.models.ion_channels import HHCondExp
from fastsnn.models.quadratic import Izhikevich2003, IzhikevichDelta

CURRENT = 800.0


def runge_kutta(slope: Callable, y: np.ndarray, h: float) -> np.ndarray:
    a = slope(y)
    b = slope(y + 0.5 * h * a)
    c = slope(y + 0.5 * h * b)
    d = slope(y + h * c)
    return y + h / 6.0 * (a + 2 * b + 2 * c + d)


def fine_adex(p: dict, kind: str, steps: int, arrivals: dict, sub: int) -> tuple:
    """(v at the end of each step of 0.1 ms, spike times) at i_offset, integrated in float64."""
    g_leak, alpha = p["c_m"] / p["tau_m"], kind == "alpha"

    def slope(y: np.ndarray) -> np.ndarray:
        v, w, s_e, s_i, d_e, d_i = y
        i = p["i_offset"] + s_e + s_i
        if kind != "current":
            i = p["i_offset"] + s_e * (p["e_rev_ex"] - v) + s_i * (p["e_rev_inh"] - v)
        up = g_leak * p["delta_t"] * np.exp((v - p["v_thresh"]) / p["delta_t"])
        return np.array([
            (g_leak * (p["v_rest"] - v) + up - w + i) / p["c_m"],
            (p["a"] * (v - p["v_rest"]) - w) / p["tau_w"],
            (d_e if alpha else 0.0) - s_e / p["tau_syn_ex"],
            (d_i if alpha else 0.0) - s_i / p["tau_syn_inh"],
            -d_e / p["tau_syn_ex"], -d_i / p["tau_syn_inh"],
        ])  # fmt: skip

    h, y, out, times = 0.1 / sub, np.array([p["v_rest"], 0, 0, 0, 0, 0.0]), [], []
    for t in range(steps):
        for k in range(sub):
            y = runge_kutta(slope, y, h)
            if y[0] >= p["v_spike"]:
                y[0], y[1] = p["v_reset"], y[1] + p["b"]
                times.append(0.1 * t + h * (k + 1))
        for k, port in ((2, "ex"), (3, "inh")):
            w = arrivals.get(t, {}).get(port, 0.0)
            y[k + 2 * alpha] += w * np.e / p[f"tau_syn_{port}"] if alpha else w
        out.append(y[0])
    return np.array(out), np.array(times)


KINDS = {"conductance": AdExCondExp, "alpha": AdExCondAlpha, "current": AdExExp}


@pytest.mark.parametrize("kind", KINDS)
def test_adex_follows_a_fine_integration(kind, backend):
    conductance = kind != "current"
    arrivals = {49: {"ex": 30.0 if conductance else 1000.0},
                119: {"inh": 40.0 if conductance else -800.0}}  # fmt: skip
    neuron = KINDS[kind](i_offset=CURRENT, tau_syn_ex=3.0, tau_syn_inh=6.0)
    got = run(neuron, 1000, backend=backend, arrivals=arrivals, watch=("v", "w"))
    want, times = fine_adex(neuron.values, kind, 1000, arrivals, sub=40)
    first = int(times[0] / 0.1) - 10
    assert np.abs(got["v"][:first, 0] - want[:first]).max() < 1e-3
    fired = 0.1 * (np.flatnonzero(got["spike"][:, 0]) + 1)
    assert len(times) >= 3
    # a spike waits for the end of its step, which costs half a step each on average
    assert len(fired) == len(times)
    assert np.abs(fired - times).max() <= 0.1 * len(times)


@pytest.mark.parametrize("model", KINDS.values())
def test_adaptation_jumps_at_a_spike_and_decays_between(model, backend):
    neuron = model(a=0.0, b=60.0, tau_w=20.0, t_refrac=500.0, v_reset=-70.6)
    got = run(neuron, 400, backend=backend, start={"v": -39.0}, watch=("v", "w"))
    assert got["spike"][:, 0].nonzero()[0].tolist() == [0]
    want = 60.0 * np.exp(-0.1 * np.arange(400) / 20.0)
    assert np.abs(got["w"][:, 0] / want - 1.0).max() < 400 * 2.0**-22
    assert (got["v"] == np.float32(-70.6)).all()


def izhikevich_program(v: np.ndarray, u: np.ndarray, s: np.ndarray, noise: np.ndarray, p: dict):
    """Spikes [T, n] of the program of Izhikevich 2003, in float32 (v reset after it fired)."""
    one, half, fired = np.float32, np.float32(0.5), []
    for given in noise:
        over = v >= 30
        v, u = np.where(over, p["c"], v), np.where(over, u + p["d"], u)
        i = given + s[over].sum(0, dtype=np.float32)
        for _ in range(2):
            v = v + half * (one(0.04) * (v * v) + one(5) * v + one(140) - u + i)
        u = u + p["a"] * (p["b"] * v - u)
        fired.append(v >= 30)
    return np.array(fired)


def test_izhikevich_network_is_that_of_the_published_program(backend):
    draw, n_e, n_i = np.random.default_rng(3), 40, 10
    r_e, r_i = draw.random(n_e), draw.random(n_i)
    p = {
        "a": np.r_[0.02 * np.ones(n_e), 0.02 + 0.08 * r_i],
        "b": np.r_[0.2 * np.ones(n_e), 0.25 - 0.05 * r_i],
        "c": np.r_[-65 + 15 * r_e**2, -65 * np.ones(n_i)],
        "d": np.r_[8 - 6 * r_e**2, 2 * np.ones(n_i)],
    }
    # eighths: their sums are exact in any order
    s = np.round(8 * np.r_[4 * draw.random((n_e, 50)), -8 * draw.random((n_i, 50))]) / 8
    noise = np.r_["1", 6 * draw.standard_normal((400, n_e)), 2 * draw.standard_normal((400, n_i))]
    noise = (np.round(8 * noise) / 8).astype(np.float32)
    net = Network(dt=1.0, backend=backend)
    cells = net.population("m", Izhikevich2003(**{k: torch.tensor(x) for k, x in p.items()}), 50)
    net.projection("m", "m", Dense(torch.tensor(s, dtype=torch.float32)))
    seen = net.monitor("m", "spike")
    v, u = cells.v[0].numpy().copy(), cells.u[0].numpy().copy()
    net.run(400, {"m": Current(torch.tensor(noise)[:, None])})
    single = {k: x.astype(np.float32) for k, x in p.items()}
    want = izhikevich_program(v, u, s.astype(np.float32), noise, single)
    assert want.sum() > 100
    assert np.array_equal(seen.get()[:, 0].numpy(), want)


def test_jump_onto_izhikevich_moves_v_by_its_weight_and_resets_at_once(backend):
    neuron = IzhikevichDelta()
    got = run(neuron, 30, dt=0.5, backend=backend, arrivals={10: {"ex": 5.0}, 14: {"ex": 150.0}},
              watch=("v", "u"))  # fmt: skip
    v, u = -70.0, -14.0
    for t in range(30):
        old = v
        v += 0.5 * (0.04 * v * v + 5 * v + 140 - u) + {10: 5.0, 14: 150.0}.get(t, 0.0)
        u += 0.5 * 0.02 * (0.2 * old - u)
        fires = v >= 30
        if fires:
            v, u = -65.0, u + 2.0
        assert got["spike"][t, 0] == fires
        assert abs(got["v"][t, 0] - v) < 1e-3
        assert abs(got["u"][t, 0] - u) < 1e-4
    assert got["spike"].sum() == 1


def fine_hodgkin_huxley(p: dict, y: np.ndarray, steps: int, arrivals: dict, dt: float, sub: int):
    """v at the end of each step; equations as published, integrated in float64."""

    def slope(y: np.ndarray) -> np.ndarray:
        v, m, h, n, g_e, g_i = y
        u = v - p["v_offset"]
        alpha_m, beta_m = (
            0.32 * (13 - u) / np.expm1((13 - u) / 4),
            0.28 * (u - 40) / np.expm1((u - 40) / 5),
        )
        alpha_h, beta_h = 0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))
        alpha_n, beta_n = 0.032 * (15 - u) / np.expm1((15 - u) / 5), 0.5 * np.exp((10 - u) / 40)
        i = p["g_leak"] * (p["e_rev_leak"] - v) + p["i_offset"]
        i += p["g_na"] * m**3 * h * (p["e_rev_na"] - v) + p["g_k"] * n**4 * (p["e_rev_k"] - v)
        i += g_e * (p["e_rev_ex"] - v) + g_i * (p["e_rev_inh"] - v)
        return np.array([
            i / p["c_m"], alpha_m * (1 - m) - beta_m * m, alpha_h * (1 - h) - beta_h * h,
            alpha_n * (1 - n) - beta_n * n, -g_e / p["tau_syn_ex"], -g_i / p["tau_syn_inh"],
        ])  # fmt: skip

    out = []
    for t in range(steps):
        for _ in range(sub):
            y = runge_kutta(slope, y, dt / sub)
        y[4] += arrivals.get(t, {}).get("ex", 0.0)
        y[5] += arrivals.get(t, {}).get("inh", 0.0)
        out.append(y[0])
    return np.array(out)


def test_hodgkin_huxley_follows_a_fine_integration(backend):
    arrivals = {50: {"ex": 30.0}, 120: {"inh": 40.0}, 300: {"ex": 30.0}}
    neuron = HHCondExp(i_offset=220.0, v_offset=-63.3)
    got = run(neuron, 700, backend=backend, arrivals=arrivals)
    rest = neuron.constant_values(0.1)
    y = np.array([-65.0, *(float(rest[k]) for k in ("m_rest", "h_rest", "n_rest")), 0.0, 0.0])
    want = fine_hodgkin_huxley(neuron.values, y, 700, arrivals, 0.1, sub=20)
    peaks = 1 + np.flatnonzero(
        (want[1:-1] > want[:-2]) & (want[1:-1] > want[2:]) & (want[1:-1] > 0)
    )
    fired = np.flatnonzero(got["spike"][:, 0])
    assert len(peaks) >= 2
    # fired in the step in which v has begun to fall
    assert len(fired) == len(peaks)
    assert np.abs(fired - 1 - peaks).max() <= 1
    below = slice(0, peaks[0] - 20)
    assert np.abs(got["v"][below, 0] - want[below]).max() < 0.02
    assert np.abs(got["v"][peaks[0] - 20 : peaks[0] + 50, 0].max() - want.max()) < 2.0


def test_hodgkin_huxley_rests_where_nothing_drives_it(backend):
    # the rates have removable singularities there: 13, 15 and 40 mV above v_offset
    got = run(HHCondExp(), 20000 // 20, backend=backend, watch=("v", "m", "h", "n_gate"))
    assert not got["spike"].any()
    assert np.abs(np.diff(got["v"][-100:, 0])).max() < 1e-3
    for start in (-50.0, -48.0, -23.0):
        got = run(HHCondExp(), 5, backend=backend, start={"v": start}, watch=("v", "m", "n_gate"))
        assert all(np.isfinite(x).all() for x in got.values())
