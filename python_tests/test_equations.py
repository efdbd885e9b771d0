# SPDX-License-Identifier: Apache-2.0
"""Models from equations against the hand-written ones, fine integrations, and Brian 2 itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from driven import run

pytest.importorskip("sympy")

from fastsnn import Current, Dense, ModelError, Network, from_equations
from fastsnn.equations.runtime import exprel, propagators, refractory_steps
from fastsnn.models.currents import LIFAlpha, LIFExp
from fastsnn.models.exponential import AdExCondExp
from fastsnn.models.quadratic import IzhikevichDelta

CUBA = from_equations(
    """
    dv/dt = (ge + gi - (v - El)) / taum : volt (unless refractory)
    dge/dt = -ge / taue : volt   # synapses
    dgi/dt = -gi / taui : volt
    """,
    threshold="v > Vt", reset="v = Vr", refractory="5*ms", method="exact",
    receptors={"ex": "ge += w", "inh": "gi += w"}, init={"v": "Vr"}, name="CUBA",
    namespace={"taum": "20*ms", "taue": "5*ms", "taui": "10*ms", "Vt": "-50*mV", "Vr": "-60*mV",
               "El": "-49*mV"},
)  # fmt: skip
COBA = from_equations(
    """
    dv/dt = (gl * (El - v) + ge * (Ee - v) + gi * (Ei - v)
             + i_syn) / C : volt (unless refractory)
    dge/dt = -ge / taue : siemens
    dgi/dt = -gi / taui : siemens
    """,
    threshold="v > Vt", reset="v = Vr", refractory="5*ms", method="exponential_euler",
    receptors={"ex": "ge += w", "inh": "gi += w"}, init={"v": "Vr"}, name="COBA",
    namespace={"C": "200*pF", "gl": "10*nS", "taue": "5*ms", "taui": "10*ms", "El": "-60*mV",
               "Ee": "0*mV", "Ei": "-80*mV", "Vt": "-50*mV", "Vr": "-60*mV"},
)  # fmt: skip
BRIAN = np.load(Path(__file__).parent / "reference" / "brian2.npz")


@pytest.mark.parametrize(
    ("model", "name", "w"), [(CUBA, "cuba", (1.62, -9.0)), (COBA, "coba", (6.0, 67.0))]
)
def test_networks_of_brian_are_reproduced_spike_by_spike(model, name, w, backend):
    n, n_e, steps = 120, 96, 1200
    net = Network(dt=0.1, backend=backend)
    net.population("m", model(), n).v = torch.tensor(BRIAN["v0"])
    for port, chosen, weight in zip(
        ("ex", "inh"), (BRIAN["pre"] < n_e, BRIAN["pre"] >= n_e), w, strict=True
    ):
        matrix = torch.zeros(n, n)
        matrix[BRIAN["pre"][chosen].astype(int), BRIAN["post"][chosen].astype(int)] = weight
        net.projection("m", "m", Dense(matrix), receptor=port, name=port)
    spike, v = net.monitor("m", "spike"), net.monitor("m", "v", index=[0, 1, 2])
    inputs = {"m": Current(torch.full((n,), 150.0))} if name == "coba" else None
    net.run(0.1 * steps, inputs)
    want = np.zeros((steps, n), bool)
    want[BRIAN[f"{name}/steps"], BRIAN[f"{name}/ids"]] = True
    assert want.sum() > 100
    assert np.array_equal(spike.get()[:, 0].numpy(), want)
    # Brian records the beginning of a step
    difference = v.get()[:-1, 0].numpy() - BRIAN[f"{name}/v"][:, 1:].T
    assert np.abs(difference).max() < 1e-3


ARRIVALS = {20: {"ex": 300.0}, 90: {"inh": -200.0}, 150: {"ex": 700.0}}
SIMILAR = {"threshold": "v >= v_thresh", "reset": "v = v_reset", "init": {"v": "v_rest"}}
LIF_DEFAULTS = {"tau_m": 10, "c_m": 250, "v_rest": -65, "v_reset": -65, "v_thresh": -50,
                "tau_e": 3, "tau_i": "6*ms"}  # fmt: skip


def similar(got: dict, want: dict, tolerance: float) -> None:
    """Equal spikes, some of them, and v within a tolerance."""
    assert np.array_equal(got["spike"], want["spike"])
    assert want["spike"].any()
    assert np.abs(got["v"] - want["v"]).max() < tolerance


@pytest.mark.parametrize("tau_e", [3.0, 10.0])
def test_exact_solution_of_an_exponential_current_is_the_model_of_the_catalogue(tau_e, backend):
    model = from_equations(
        """dv/dt = (v_rest - v) / tau_m + (i_e + i_i + i_syn) / c_m : volt (unless refractory)
        di_e/dt = -i_e / tau_e : amp
        di_i/dt = -i_i / tau_i : amp""",
        **SIMILAR, refractory=2.1, method="exact", namespace=LIF_DEFAULTS,
        receptors={"ex": "i_e += w", "inh": "i_i += w"},
    )  # fmt: skip
    given = {"backend": backend, "arrivals": ARRIVALS, "current": torch.tensor([400.0])}
    got = run(model(tau_e=tau_e), 900, **given)
    # in Brian the time of a spike counts as refractory: a step less is left
    want = run(LIFExp(tau_syn_ex=tau_e, tau_syn_inh=6.0, t_refrac=2.0), 900, **given)
    similar(got, want, 2e-4)


def test_exact_solution_of_an_alpha_current_couples_three_equations(backend):
    model = from_equations(
        """dv/dt = (v_rest - v) / tau_m + (s + i_syn) / c_m : volt (unless refractory)
        ds/dt = y - s / tau_e : amp
        dy/dt = -y / tau_e : amp/second""",
        **SIMILAR, refractory=2.1, method="exact", namespace=LIF_DEFAULTS,
        receptors={"ex": "y += w * exp(1) / tau_e"},
    )  # fmt: skip
    arrivals = {20: {"ex": 300.0}, 150: {"ex": 700.0}}
    given = {"backend": backend, "arrivals": arrivals, "current": torch.tensor([400.0])}
    want = run(LIFAlpha(tau_syn_ex=3.0, t_refrac=2.0), 900, **given)
    similar(run(model(), 900, **given), want, 3e-4)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("exponential_euler", 1), ("rk4", 4)])
def test_every_method_has_its_order(method, order):
    model = from_equations(
        """dv/dt = (30*mV - v) * g / (10*ms) : volt
        dg/dt = (2 - g) * v / (100*mV * ms) : 1""",
        method=method, init={"v": 5, "g": 0.5},
    )  # fmt: skip
    error = []
    for dt in (1.0, 0.5):
        v, g = 5.0, 0.5
        for _ in range(20000):
            h = 16.0 / 20000
            mid_v = v + 0.5 * h * (30 - v) * g / 10
            mid_g = g + 0.5 * h * (2 - g) * v / 100
            v, g = v + h * (30 - mid_v) * mid_g / 10, g + h * (2 - mid_g) * mid_v / 100
        got = run(model(), round(16 / dt), dt=dt)["v"][-1, 0]
        error.append(abs(got - v))
    if order == 4:
        assert error[0] < 1e-4
    else:
        assert 1e-2 < error[0] < 2.0
        assert 1.7 < error[0] / error[1] < 2.5


def test_runge_kutta_follows_the_adex_of_the_catalogue(backend):
    model = from_equations(
        """dv/dt = (g_l*(v_rest - v) + up - w_ad + s + i_syn) / c_m : volt (unless refractory)
        dw_ad/dt = (a*(clip(v, -200*mV, v_spike) - v_rest) - w_ad) / tau_w : amp
        dge/dt = -ge / tau_e : siemens
        s = ge * (0*mV - v) : amp
        up = g_l * d_t * exp((clip(v, -200*mV, v_spike) - v_t) / d_t) : amp""",
        threshold="v >= v_spike", reset="v = v_rest; w_ad += b", refractory=2.1, method="rk4",
        receptors={"ex": "ge += w"}, init={"v": "v_rest"},
        namespace={"g_l": 281 / 9.3667, "v_rest": -70.6, "c_m": "281*pF", "a": "4*nS", "d_t": 2,
                   "tau_w": 144, "tau_e": 5, "v_t": "-50.4*mV", "v_spike": -40, "b": "0.0805*nA"},
    )  # fmt: skip
    given = {"backend": backend, "arrivals": {60: {"ex": 20.0}}, "current": torch.tensor([900.0])}
    got, want = (run(m, 800, **given) for m in (model(), AdExCondExp(t_refrac=2.0)))
    assert want["spike"].sum() >= 2
    assert np.array_equal(got["spike"], want["spike"])
    first = int(want["spike"].argmax()) - 5
    assert np.abs(got["v"] - want["v"])[:first].max() < 1e-3


def test_euler_is_the_izhikevich_neuron_of_the_catalogue(backend):
    model = from_equations(
        """dv/dt = (0.04*v**2/mV + 5*v + 140*mV - u + i_syn)/ms : volt
        du/dt = a*(b*v - u) : volt""",
        threshold="v >= 30*mV", reset="""v = c
        u += d""", method="euler", init={"v": -70, "u": "b*(-70*mV)"},
        namespace={"a": "0.02/ms", "b": 0.2, "c": "-65*mV", "d": "2*mV"},
    )  # fmt: skip
    given = {"dt": 0.25, "backend": backend, "current": torch.tensor([10.0])}
    similar(run(model(), 400, **given), run(IzhikevichDelta(), 400, **given), 0.05)


def test_parameters_may_be_set_and_differ_and_variables_need_no_equation(backend):
    model = from_equations(
        """dv/dt = (drive - v) / tau : 1
        drive : 1
        seen : 1""",
        threshold="v > 1 and not drive < 0", reset="v = 0; seen += 1", namespace={"tau": 10},
    )  # fmt: skip
    drive = torch.linspace(-2.0, 4.0, 31, dtype=torch.float64)
    net = Network(dt=0.5, backend=backend)
    cells = net.population("m", model(drive=drive, tau=8.0), 31)
    net.run(100.0)
    # v = drive (1 - exp(-t / tau)) passes 1
    period = np.ceil(-8.0 / 0.5 * np.log(np.maximum(1e-9, 1 - 1 / drive.clamp(min=1).numpy())))
    want = np.where(drive.numpy() > 1.0, 200 // period, 0)
    clear = np.abs(drive.numpy() * (1 - np.exp(-period * 0.5 / 8)) - 1) > 1e-4
    assert np.array_equal(cells.seen[0].numpy()[clear], want[clear])
    assert want.max() > 20


def test_draws_are_those_of_the_model(backend):
    model = from_equations(
        "dv/dt = (rand() - 0.5 + rand() - 0.5) / ms : 1", threshold="v > 1 or v < -1",
        reset="v = 0", method="euler",
    )  # fmt: skip
    assert model.source.count("rand()") == 2
    got = run(model(), 200, n=50, dt=1.0, backend=backend)
    assert torch.equal(*(torch.tensor(run(model(), 200, n=50, dt=1.0, backend=b)["v"])
                         for b in ("torch", backend)))  # fmt: skip
    steps = np.diff(got["v"], axis=0)[~got["spike"][1:]]
    assert abs(steps.mean()) < 0.02
    assert abs(steps.std() - (1 / 6) ** 0.5) < 0.1


def test_method_auto_takes_the_best_that_fits():
    linear = from_equations("dv/dt = (1 - v)/tau : 1", namespace={"tau": 5})
    assert "propagators([[" in linear.source
    product = from_equations("dv/dt = (1 - v)*g : 1\ndg/dt = -g*v/ms : 1")
    assert "exp(x" in product.source
    curved = from_equations("dv/dt = -v**3/ms : 1")
    assert "exp" not in curved.source.partition("class")[2]


WRONG = {
    "no unit": ({"equations": "dv/dt = -v/ms"}, "expected ': unit' at its end"),
    "no equation": ({"equations": "dv/dt : 1"}, "needs '= ...'"),
    "nonsense": ({"equations": "v of t = 3 : 1"}, "expected 'dx/dt = ... : unit'"),
    "syntax": ({"equations": "dv/dt = -v/ms) : 1"}, "is no expression"),
    "flag": ({"equations": "dv/dt = -v/ms : 1 (event-driven)"}, "expected"),
    "twice": ({"equations": "dv/dt = -v/ms : 1\nv : 1"}, "'v' is defined twice"),
    "time": ({"equations": "dv/dt = t/ms**2 : 1"}, "'t' is not part of a model here"),
    "noise": ({"equations": "dv/dt = xi/ms**0.5 : 1"}, "'xi' is not part"),
    "function": ({"equations": "dv/dt = sin(v)/ms : 1"}, r"'sin\(v\)' has no meaning here"),
    "value": ({"equations": "dv/dt = -v/tau : 1"}, "'tau' has no value; give namespace"),
    "circle": ({"equations": "dv/dt = a : 1\na = b : 1\nb = a : 1"}, "go round in a circle"),
    "method": ({"method": "magic"}, "expected auto, exact, exponential_euler, euler, rk4"),
    "exact": ({"equations": "dv/dt = v**2/ms : 1", "method": "exact"}, "not linear in v"),
    "product": (
        {"equations": "dv/dt = v*g/ms : 1\ndg/dt = -g/ms : 1", "method": "exact"},
        "not linear with constant factors",
    ),
    "held": (
        {
            "equations": "dv/dt = -v/ms : 1 (unless refractory)\ndw/dt = (v - w)/ms : 1",
            "method": "exact", "refractory": 2,
        },
        "v stands still while a neuron is refractory",
    ),
    "reset": ({"reset": "v == 3"}, "is no assignment"),
    "unknown reset": ({"reset": "q = 3"}, "'q' is assigned, but no equation defines it"),
    "receptor": ({"receptors": {"ex": "v += w**2"}}, "is no multiple of w"),
    "receptor set": ({"receptors": {"ex": "v = w"}}, "expected 'x \\+= w'"),
    "init": ({"init": {"q": 1}}, "'q' is no variable of v"),
    "name": ({"name": "no name"}, "expected a name"),
    "taken": ({"equations": "dv/dt = -v*where/ms : 1", "namespace": {"where": 1}}, "is taken"),
    "default": ({"namespace": {"tau": "fast"}}, "expected a number, or text with units"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_a_model_is_refused_with_the_reason(case):
    given, told = WRONG[case]
    with pytest.raises(ModelError, match=told):
        from_equations(**{"equations": "dv/dt = -v/ms : 1", **given})


def test_networks_of_the_example_are_active(root):
    script = root / "examples" / "brian2.py"
    if not script.exists():
        pytest.skip("no examples here")
    done = subprocess.run(
        [sys.executable, str(script), "--quick"], capture_output=True, text=True, check=True
    )
    rates = dict(re.findall(r"(C\w+), Hz: ([\d.]+)", done.stdout))
    assert 3.0 < float(rates["CUBA"]) < 12.0
    assert 12.0 < float(rates["COBA"]) < 40.0


def test_numbers_of_the_host_keep_their_digits():
    x = torch.tensor([0.0, 1e-12, -1e-9, 0.3, -40.0], dtype=torch.float64)
    want = 1 + x / 2 + x * x / 6
    assert (exprel(x) - want)[:3].abs().max() < 1e-15
    assert float(exprel(x)[4]) == pytest.approx(1 / 40, rel=1e-12)
    slow = 1e-9
    moved, summed = propagators([[-slow, 0.5], [0.0, -0.1]], 0.1)
    assert float(moved[0][0]) == pytest.approx(-slow * 0.1, rel=1e-9)
    assert float(summed[0][0]) == pytest.approx(0.1, rel=1e-9)
    steps = refractory_steps(torch.tensor([5.0, 0.0, 0.1, 0.3, 0.35]), 0.1)
    assert steps.tolist() == [49.0, 0.0, 0.0, 2.0, 2.0]


def test_sympy_is_imported_only_when_equations_are_read():
    code = "import sys, fastsnn, fastsnn.equations; assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
