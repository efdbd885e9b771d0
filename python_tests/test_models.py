# SPDX-License-Identifier: Apache-2.0
"""The anatomy of models: what is refused, and that every model is the same on every backend."""

from __future__ import annotations

import itertools
import linecache
import re
import textwrap

import pytest
import torch

from fastsnn import ModelError, Network, models
from fastsnn.backends import cuda
from fastsnn.lowering.header import header
from fastsnn.lowering.to_cpp import struct_of
from fastsnn.models import Neuron, language

_cells = itertools.count(1)


def define(body: str, base: str = "Neuron") -> type:
    """Define class M in a notebook's way: only linecache knows its source."""
    name = f"<cell {next(_cells)}>"
    source = f"class M({base}):\n" + textwrap.indent(body, "    ") + "\n"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope = {k: getattr(language, k) for k in language.WORDS} | vars(models) | {"__name__": "cell"}
    exec(compile(source, name, "exec"), scope)
    return scope["M"]


def step(body: str, signature: str = "v, i_syn, a") -> str:
    """A neuron with a variable v and a parameter a; the body starts in line 5."""
    head = f"v = Var()\na = Param(1.0)\ndef step({signature}):\n"
    return head + textwrap.indent(body, "    ")


def shared(body: str) -> str:
    """A neuron with a variable th shared by the batch; the body starts in line 5."""
    head = "v, th = Var(), Var(shared=True)\na = Param(1.0)\ndef step(v, th, a, spike):\n"
    return head + textwrap.indent(body, "    ")


def learn(body: str, declared: str = "", rest: str = "") -> str:
    """A rule with a parameter nu and a synaptic variable e; the body starts in line 5."""
    head = f"nu, e = Param(0.1), Var(at='synapse')\n{declared}\n"
    head += "def learn(w, e, pre, post, x_pre, x_post, nu, w_max):\n"
    return head + textwrap.indent(body, "    ") + "\n" + rest


SPIKE = "return v, v > a"
FORBIDDEN = {
    "if": (5, "if a:\n    v = v\n" + SPIKE),
    "for": (5, "for k in v:\n    v = k\n" + SPIKE),
    "while": (6, "v = v\nwhile a:\n    v = v\n" + SPIKE),
    "unknown function": (5, "v = tanh(v)\n" + SPIKE),
    "attribute": (5, "v = v.real\n" + SPIKE),
    "method": (5, "v = v.exp()\n" + SPIKE),
    "module": (5, "v = torch.exp(v)\n" + SPIKE),
    "power": (6, "v = v\nv = v ** 2\n" + SPIKE),
    "modulo": (5, "v = v % 2\n" + SPIKE),
    "keyword": (5, "v = where(v > a, v, b=a)\n" + SPIKE),
    "star": (5, "v = where(*v)\n" + SPIKE),
    "augmented assignment": (5, "v += a\n" + SPIKE),
    "two targets": (5, "v, a = a, v\n" + SPIKE),
    "walrus": (5, "v = (b := a)\n" + SPIKE),
    "ternary": (5, "v = v if a else a\n" + SPIKE),
    "and": (6, "v = v\nreturn v, (v > a) and (v < a)"),
    "not": (5, "return v, not (v > a)"),
    "chained comparison": (5, "return v, 0 < v < a"),
    "truth literal": (5, "return v, True"),
    "string": (5, "v = 'x'\n" + SPIKE),
    "infinite literal": (5, "v = v + 1e39\n" + SPIKE),
    "subscript": (5, "v = v[0]\n" + SPIKE),
    "lambda": (5, "v = (lambda: v)()\n" + SPIKE),
    "bare expression": (5, "v + a\n" + SPIKE),
    "import": (5, "import os\n" + SPIKE),
    "early return": (4, SPIKE + "\nv = v"),
    "no return": (4, "v = v"),
    "empty return": (5, "return"),
    "unknown name": (5, "v = v + b\n" + SPIKE),
    "name before it is assigned": (6, "v = v\nv = v + b\nb = v\n" + SPIKE),
    "word without a call": (5, "v = v + exp\n" + SPIKE),
    "word as a name": (4, "floor = v\nreturn floor, v > a"),
    "too few values returned": (5, "return v > a"),
    "too many values returned": (6, "v = v\nreturn v, v, v, v > a"),
    "too few values of a word": (5, "v = where(v > a, v)\n" + SPIKE),
    "too many values of a word": (5, "v = exp(v, a)\n" + SPIKE),
    "number as a condition": (5, "v = where(v, a, v)\n" + SPIKE),
    "arithmetic with truths": (5, "v = v + (v > a)\n" + SPIKE),
    "logic with numbers": (5, "return v, (v > a) & v"),
    "number as a spike": (5, "return v, v"),
    "truth as a variable": (5, "return v > a, v > a"),
    "name that changes its kind": (6, "b = v > a\nb = v\n" + SPIKE),
    "dot of no window": (5, "v = dot(v, a)\n" + SPIKE),
}  # fmt: skip


@pytest.mark.parametrize("case", FORBIDDEN)
def test_what_is_no_model_language_is_refused_with_its_line(case):
    line, body = FORBIDDEN[case]
    with pytest.raises(ModelError, match=rf"^M\.step, line {line}: "):
        define(step(body))


OUT = "\nreturn v, th, spike"
MISUSED = {
    "over_batch of a state": (5, shared("th = th + over_batch(v)" + OUT)),
    "over_batch into a state": (6, shared("spike = v > a\nv = v + over_batch(spike)" + OUT)),
    "over_batch in over_batch": (5, shared("th = over_batch(over_batch(spike))" + OUT)),
    "over_batch in a return": (5, step("return over_batch(v), v > a")),
    "shared that reads a state": (5, shared("th = th + v" + OUT)),
    "shared that is drawn": (5, shared("th = th + rand()" + OUT)),
    "shared under another name": (6, shared("b = th * a\nreturn v, b, spike")),
    "shared read after the count": (
        7, shared("spike = v > a\nth = th + over_batch(spike)\nv = v - th" + OUT)
    ),
    "shared changed after the reading": (6, shared("v = v - th\nth = th * a" + OUT)),
    "learning as a number": (5, step("v = v * learning\n" + SPIKE, "v, a, learning")),
    "signature with a default": (4, step(SPIKE, "v, a=1.0")),
    "signature with a star": (4, step(SPIKE, "v, *a")),
    "argument that is nothing": (4, step(SPIKE, "v, a, b")),
}  # fmt: skip


@pytest.mark.parametrize("case", MISUSED)
def test_misuse_in_a_neuron_is_refused_with_its_line(case):
    line, source = MISUSED[case]
    with pytest.raises(ModelError, match=rf"^M\.step, line {line}: "):
        define(source)


END = "\nreturn w, e"


def advance(arguments: str, returned: str) -> str:
    """A rule with a trace p of its own; advance_pre starts in line 6."""
    rest = f"def advance_pre({arguments}):\n    return {returned}"
    return learn("return w, e", "p = Var(at='pre')", rest)


BAD_RULES = {
    "batch outside of over_batch": ("learn", 5, learn("w = w + nu * pre * x_post" + END)),
    "batch outside, by a local": ("learn", 6, learn("d = pre * x_post\nw = w + d" + END)),
    "batch in a return": ("learn", 5, learn("return w, e + pre")),
    "over_batch in a return": ("learn", 5, learn("return w + over_batch(pre), e")),
    "over_batch in over_batch": ("learn", 5, learn("w = over_batch(pre * over_batch(post))" + END)),
    "weight in over_batch": ("learn", 5, learn("w = w + over_batch(pre * w)" + END)),
    "synapse in over_batch": ("learn", 6, learn("d = e * nu\nw = over_batch(d * pre)" + END)),
    "random numbers": ("learn", 5, learn("w = w + rand()" + END)),
    "too few values": ("learn", 5, learn("return w")),
    "truth as a weight": ("learn", 5, learn("return w > e, e")),
    "advance of the other side": ("advance_pre", 6, advance("p, post", "p + post")),
    "advance of the batch": ("advance_pre", 7, advance("p, pre", "p + over_batch(pre)")),
    "advance of too many": ("advance_pre", 7, advance("p, pre", "p, pre")),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_RULES)
def test_misuse_in_a_rule_is_refused_with_its_line(case):
    function, line, source = BAD_RULES[case]
    with pytest.raises(ModelError, match=rf"^M\.{function}, line {line}: "):
        define(source, "Rule")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("v, spike = Var(), Var()\ndef step(v, spike):\n    return v, spike, v > 1", "'spike' is"),
        ("v, v_ = Var(), Param(1.0)\ndef constants(p, dt):\n    return {'v': 1.0}", "'v' is taken"),
        ("v = Var(init='v_rest')\ndef step(v):\n    return v, v > 1", "needs 'v_rest'"),
        ("state = Var()\ndef step(i_syn):\n    return i_syn > 1", "'state' is taken"),
        ("x = Var()\ndef step(x):\n    return x, x > 1", "'x' is taken"),
        ("v = Var(window='n')\ndef step(v):\n    return v > 1", "needs 'n'"),
    ],
)
def test_names_that_clash_or_are_missing_are_refused(source, told):
    with pytest.raises(ModelError, match=told):
        define(source)
    with pytest.raises(ModelError, match=r"advance_pre\(p, ...\) is missing"):
        define("p = Var(at='pre')\ndef learn(w, p):\n    return w", "Rule")


PORTS = """
ex, auto = Receptor("nS", sign=1), Receptor("nS", sign=1)
v, a = Var(), Param(1.0)
def step(v, ex, auto, i_syn, a):
    auto = auto * a
    v = v + ex - auto + i_syn
    return v, v > 1.0
"""


def test_receptors_are_arguments_by_name_in_order_of_declaration():
    model = define(PORTS)
    assert model.receptors() == ["ex", "auto"]
    assert model.step_params() == ["a"]
    text = struct_of(model)
    assert "n_receptor = 2;" in text
    assert "const T ex = context.receptor(0);\n    T auto_ = context.receptor(1);" in text
    v, spike = model.step(*map(torch.tensor, (0.5, 2.0, 0.25, 1.0, 2.0)))
    assert (float(v), bool(spike)) == (3.0, True)
    assert struct_of(models.LIF).count("receptor") == 1


def test_receptors_are_refused_where_they_mean_nothing():
    with pytest.raises(ModelError, match="a rule has no receptors"):
        define("ex = Receptor()\ndef learn(w, ex):\n    return w", "Rule")
    with pytest.raises(ModelError, match="'ex' is taken"):
        define("ex = Receptor()\ndef constants(p, dt):\n    return {'ex': 1.0}")
    with pytest.raises(ModelError, match="expected -1, 0 or 1"):
        models.Receptor(sign=2)
    with pytest.raises(ModelError, match="reads what differs between batch elements"):
        define("ex, th = Receptor(), Var(shared=True)\ndef step(th, ex):\n    th = ex\n    "
               "return th, ex > 1.0")  # fmt: skip


def test_a_backend_refuses_a_model_that_is_not_compiled_into_it():
    net = Network(backend="torch")
    net.population("m", define(PORTS)(), 3)
    why = cuda.Engine(None, "cpu").supports(net.plan)
    assert why == "the model M is not built in; the torch backend runs every model."


def test_source_that_cannot_be_read_is_refused_with_the_way_out():
    with pytest.raises(ModelError, match="Define the model in a file or a notebook"):
        exec(
            "class Bare(Neuron):\n    def step(i_syn):\n        return i_syn > 1.0",
            {"Neuron": Neuron, "__name__": "prompt"},
        )


def test_model_of_a_notebook_cell_runs(backend):
    leaky = define(step("v = v * 0.5 + i_syn\nspike = v >= a\nreturn v, spike"))
    run_and_check(leaky, backend)


def test_model_of_an_ipython_cell_runs(backend):
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    shell = interactive.InteractiveShell.instance()
    shell.run_cell("from fastsnn.models import Neuron, Param, Var")
    body = step("v = v * 0.5 + i_syn\nspike = v >= a\nreturn v, spike")
    shell.run_cell("class M(Neuron):\n" + textwrap.indent(body, "    ")).raise_error()
    run_and_check(shell.user_ns["M"], backend)


def run_and_check(model, backend):
    net = Network(backend=backend)
    net.population("m", model(a=1.75), 3)
    seen = net.monitor("m", "spike")
    net.run(4, {"m": torch.tensor([0.5, 0.875, 1.0])})
    # v = i (2 - 2^-t): 1, 1.75, 2 at most; halves are exact
    assert seen.get()[:, 0, 2].tolist() == [False, False, True, True]
    assert not seen.get()[:, 0, :2].any()


def test_names_of_cpp_may_be_used(backend):
    names = ["int", "catch", "lit", "mask", "vf", "K", "T", "context", "n_spikes", "load", "std"]
    names += ["static", "double", "union", "xor", "term", "lanes", "param", "synapse", "name"]
    declared = "\n".join(f"{n} = Var(init={k / 4})" for k, n in enumerate(names))
    changed = "\n".join(f"    {n} = {n} + {m}" for n, m in itertools.pairwise(names))
    # parameters and locals may be assigned again
    first = "    new = new * 2.0\n    auto = new\n    auto = auto + int\n    int = auto\n"
    all_names = ", ".join(names)
    source = (
        f"{declared}\nnew = Param(1.5)\ndef step({all_names}, new):\n"
        f"{first}{changed}\n    return {all_names}, int > 1"
    )
    net = Network(backend=backend)
    net.population("m", define(source)(), 17)
    net.run(3)
    want = {n: k / 4 for k, n in enumerate(names)}
    for _ in range(3):
        want["int"] += 3.0
        for n, m in itertools.pairwise(names):
            want[n] += want[m]
    for n in names:
        assert torch.equal(net.state_dict()[f"m.{n}"], torch.full((1, 17), want[n])), n


def test_parameters_are_checked_and_told_with_their_bounds():
    for given, told in (
        ({"tau": 3.0}, r"LIF: no parameter 'tau'. It has: v_thresh, .*tau_m"),
        ({"tau_m": 0.0}, r"LIF\(tau_m=0.0\): expected tau_m > 0"),
        ({"t_refrac": -1}, r"LIF\(t_refrac=-1\): expected t_refrac >= 0"),
        ({"tau_m": torch.tensor([3.0, -2.0])}, r"expected tau_m > 0"),
        ({"v_rest": float("nan")}, r"LIF\(v_rest=nan\): NaN is no value"),
        ({"v_rest": "low"}, r"LIF\(v_rest='low'\): expected a number or a tensor"),
        ({"v_rest": None}, r"LIF\(v_rest=None\): expected a number or a tensor"),
    ):
        with pytest.raises(ModelError, match=told):
            models.LIF(**given)
    with pytest.raises(ModelError, match="expected one of exponential, alpha"):
        models.CSRM(response_kernel="square")
    assert models.LIF().values["lbound"] == -torch.inf


def test_a_model_keeps_its_own_copy_of_a_tensor():
    given = torch.full((3,), -52.0, dtype=torch.float64)
    model = models.LIF(v_thresh=given)
    given[:] = 0.0
    assert model.values["v_thresh"].tolist() == [-52.0] * 3


@pytest.mark.parametrize("header", ["language.h", "cuda/language.h"])
def test_words_of_python_and_cpp_are_the_same_in_the_same_order(root, header):
    source = root / "csrc" / header
    if not source.exists():
        pytest.skip("no sources of the engine here")
    defined = re.findall(
        r"^(?:inline|FASTSNN_FN) (?:float|vf) (\w+)\((?:float|vf|bool|vm) ",
        source.read_text(),
        re.M,
    )
    order = [word for word in dict.fromkeys(defined) if word in language.WORDS]
    # what belongs to the skeletons: draws, windows, the batch
    assert order == [w for w in language.WORDS if w not in ("rand", "dot", "over_batch")]
    assert all(callable(getattr(language, word)) for word in language.WORDS)


def test_generated_header_is_current(root):
    path = root / "csrc" / "models.gen.h"
    if not path.exists():
        pytest.skip("no sources of the engine here")
    assert path.read_text() == header(), "run `python -m fastsnn.lowering`"
