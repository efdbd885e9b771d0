# SPDX-License-Identifier: Apache-2.0
"""Models as jitted functions, and the kernels as Triton compiles them for a GPU."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import Any

import interpreting
import own_models
import pytest
import torch
import triton
import triton.language as tl
from cases import Uniform

from fastsnn import models
from fastsnn.kernels import language as words
from fastsnn.lowering import to_triton
from fastsnn.models import Neuron, Param, Rule, Var, language
from fastsnn.models.language import exp, over_batch, sqrt, where

ALL = [getattr(home, name) for home in (models, own_models) for name in home.__all__]
WRITTEN = [m for m in ALL if getattr(m, "functions", None) and m is not models.Input]


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreting.switch_on(monkeypatch)


def test_words_are_those_of_the_language_in_its_order():
    assert words.WORDS == language.WORDS
    defined = [k for k in vars(words) if k in language.WORDS]
    assert defined == list(language.WORDS)


@pytest.mark.parametrize("model", WRITTEN, ids=lambda m: m.__name__)
def test_every_model_is_printed_and_jitted(model):
    names = {"terms", "learn"} if issubclass(model, Rule) else {"before", "step", "after"}
    assert names <= set(vars(to_triton.functions_of(model)))
    # division is rounded as IEEE says
    assert "/" not in to_triton.text_of(model)


class Odd(Neuron):
    """Names that the printed text uses itself, numbers that are folded, zeros with a sign."""

    tl, param = Param(2.0), Param(3.0)
    v, dots = Var(), Var()

    def step(v, dots, i_syn, tl, param):
        divide = -i_syn / tl + sqrt(2.0) * exp(0.5) / 3.0
        v = where(divide < 0.0, -v, divide) + 1.0 / 3.0 * param
        dots = dots * 2 - v
        spike = ~(v > param) & (dots != 0.0)
        return v, dots, spike


class Scaled(Rule):
    """Locals inside and outside of terms; a term that is a truth value in disguise."""

    gain, term = Param(0.1), Param(0.5)

    def learn(w, pre, post, x_pre, gain, term):
        both = pre * post
        soft = where(x_pre > term, 1.0, 0.0)
        change = over_batch(both * soft) - over_batch(post * x_pre) / 3.0
        scale = gain * (1.0 - w)
        w = w + scale * change
        return w


def test_names_of_the_text_itself_are_kept_apart():
    text = to_triton.text_of(Odd)
    assert "divide_ = (divide(negative(i_syn), tl_) +" in text
    assert "dots_ = state[1]" in text
    text = to_triton.text_of(Scaled)
    assert "term_ = param[" in text
    # what only feeds terms was expanded into them
    assert "both" not in text
    assert "scale = (gain * (literal(1.0) - w))" in text


def test_numbers_are_folded_in_float64():
    folded = to_triton.constant(Odd.functions["step"].assignments[0][1].right)
    assert folded == 2.0**0.5 * 2.718281828459045**0.5 / 3.0
    assert to_triton.constant(Odd.functions["step"].assignments[0][1].left) is None


def test_a_model_is_jitted_once_and_again_when_its_text_differs():
    first = to_triton.functions_of(Odd)
    assert to_triton.functions_of(Odd) is first
    assert first.step.source_key != to_triton.functions_of(models.LIF).step.source_key


def test_a_model_is_another_where_a_word_means_something_else(monkeypatch):
    key = to_triton.functions_of(Odd).step.source_key
    meant = inspect.getsource(words)
    monkeypatch.setattr(inspect, "getsource", lambda module: meant.replace("a > b", "a >= b"))
    to_triton._functions_of.cache_clear()
    assert to_triton.functions_of(Odd).step.source_key != key
    to_triton._functions_of.cache_clear()


@interpreting.needed
def test_odd_model_and_rule_equal_the_reference(monkeypatch):
    from fastsnn import Dense, Network, Poisson

    seen: dict[str, Any] = {}
    for backend in ("torch", "triton"):
        net = Network(batch_size=2, seed=1, backend=backend, device="cpu")
        net.population("in", models.Input(), 5, traces=True)
        net.population("odd", Odd(), 9)
        net.projection("in", "odd", Dense(Uniform(-3.0, 3.0, 2)(5, 9)), rule=Scaled(), name="c")
        net.run(6, {"in": Poisson(torch.full((5,), 400.0))})
        seen[backend] = {k: v.clone() for k, v in net.state_dict().items()}
    for key, want in seen["torch"].items():
        assert torch.equal(seen["triton"][key], want), key
    assert seen["torch"]["odd.spike"].any()


def _words(x, y, out):
    at = tl.arange(0, 8)
    a, b = tl.load(x + at), tl.load(y + at)
    tl.store(out + at, words.floor(a))
    tl.store(out + 8 + at, words.sqrt(b))
    tl.store(out + 16 + at, words.exp(a))
    tl.store(out + 24 + at, words.log(b))
    tl.store(out + 32 + at, words.divide(a, b))


@interpreting.needed
@pytest.mark.parametrize("flushes", [False, True])
def test_words_equal_those_of_the_reference(flushes, monkeypatch):
    monkeypatch.setattr(words, "FLUSHES", tl.constexpr(flushes))
    x = torch.tensor([-1e-40, 1e-40, 0.0, 2.5, -2.5, 1e-38, 3.0, 88.0])
    y = torch.tensor([3.0, 1e-40, 2.0, 1e30, 0.3, 1e3, 3e38, 7.0])
    out = torch.empty(5, 8)
    triton.jit(_words)[(1,)](x, y, out)
    for row, want in {0: x.floor(), 4: x / y}.items():
        assert torch.equal(out[row], want)
    x, y = x.double(), y.double()
    for row, want in {1: y.sqrt(), 2: x.exp(), 3: y.log()}.items():
        torch.testing.assert_close(out[row], want.float(), rtol=6e-8, atol=0.0)


# in a process of its own: this one interprets
_COMPILE = """
import json, sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from triton.runtime import driver
from fastsnn import models
from fastsnn.backends.triton_compile import launches_of, listed_plan_of, of_launch, plan_of

class NoDevice:
    get_current_target = lambda self: GPUTarget("cuda", 90, 32)
    get_current_device = lambda self: 0
    get_current_stream = lambda self, device: 0

driver.set_active(NoDevice())
made = []
kinds = [
    (models.CSRM, 1), (models.CompetitiveLIF, 8), (models.PostPre, 1), (models.MSTDPET, 8),
    (models.LIFExp, 1),
]
plans = [plan_of(kind, batch) for kind, batch in kinds]
plans += [listed_plan_of(models.RewardSTDP, way) for way in ("axonal", "dendritic")]
for plan in plans:
    for label, launch in launches_of(plan):
        given = [p.name for p in launch.kernel.params if p.name not in launch.args]
        options = {"num_warps": launch.warps, "enable_fp_fusion": False}
        # the step of a block must not make another kernel
        ways = [
            launch.kernel.warmup(
                grid=launch.grid, **launch.args, **dict.fromkeys(given, k), **options
            )
            for k in (0, 1, 7, 16)
        ]
        kernels = [way.result() if hasattr(way, "result") else way for way in ways]
        ptx = kernels[0].asm["ptx"]
        local = ptx.count("ld.local") + ptx.count("st.local")
        # exp and log contract in float64
        rough = sum(map(ptx.count, ("fma.rn.f32", "approx.f32", "approx.ftz.f32", "div.full",
                                    ".rn.ftz.f32", "cvt.rmi.ftz")))
        made.append((label, len({k.hash for k in kernels}), rough, local))
listed = of_launch(launch, label)
source = ASTSource(listed.kernel, listed.signature, listed.constants, listed.attributes)
assert compile(source, target=GPUTarget("cuda", 90, 32), options=listed.options).asm["cubin"]
json.dump(made, sys.stdout)
"""


def test_every_kernel_compiles_for_a_gpu_and_rounds_as_the_reference(root):
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", _COMPILE], capture_output=True, text=True, cwd=root, env=env
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads(done.stdout)
    kernels = {label.split()[0] for label, *_ in made}
    assert kernels == {
        "advance", "publish", "learn", "trail", "tick", "compact", "normalise", "reset", "encode",
        "scatter", "send", "learn_listed", "note", "forget",
    }  # fmt: skip
    for label, kinds, rough, local in made:
        assert kinds == 1, f"{label} is compiled {kinds} times"
        assert rough == 0, f"{label} contracts, approximates or takes subnormals for zero"
        assert local == 0, f"{label} keeps variables in memory"
