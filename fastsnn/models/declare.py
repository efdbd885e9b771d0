# SPDX-License-Identifier: Apache-2.0
"""The anatomy of a model: parameters, variables, constants, and one plain function.

A neuron model is a subclass of `Neuron`, a learning rule a subclass of `Rule`::

    class LeakyIntegrator(Neuron):
        tau_m, v_thresh = Param(20.0, "ms", gt=0), Param(1.0, "mV")
        v = Var("mV", init=0.0)

        def constants(p, dt):                      # on the host, in float64, once
            return dict(decay=exp(-dt / p.tau_m))

        def step(v, i_syn, decay, v_thresh):       # every neuron, every step, every backend
            v = v * decay + i_syn
            spike = v >= v_thresh
            v = where(spike, 0.0, v)
            return v, spike
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from fastsnn.errors import ModelError
from fastsnn.models.anatomy import Choice, Model, Param, Receptor, Var
from fastsnn.models.meaning import (
    KERNEL,
    LEARNING,
    NUMBER,
    TRUTH,
    WINDOW,
    check_reduced,
    kinds_returned,
    split,
)
from fastsnn.models.syntax import Body, factors, names


class Neuron(Model):
    """A neuron model: `step(...)` returns the new value of every variable, then the spike.

    Arguments of `step` are found by name: the model's variables, parameters and constants, and

    - `i_syn`: input of this step (sum of all projections and external current),
    - the name of a `Receptor`: what arrives in this step by the projections and drives onto it,
      which are then no part of `i_syn`,
    - `spike`: the neuron's own spike of the step before,
    - `learning`: whether the network learns (only in `where(learning, a, b)`),
    - `dt`: time step, ms.

    A neuron that does not take all its input may return `i_syn`, as far as it acted, after the
    spike (`sum_input` then sums that).  A variable with `shared=True` may only change by
    parameters and by `over_batch(spike)`.
    """

    specials = frozenset({"i_syn", "spike", "learning", "dt"})
    state_of_owner = frozenset({"x", "summed"})
    one_spike: ClassVar[bool] = False
    step: ClassVar[Callable[..., Any]]

    @classmethod
    def _language_functions(cls) -> tuple[str, ...]:
        return ("step",)

    @classmethod
    def state(cls) -> list[str]:
        """Variables per batch element and neuron, in order."""
        return [k for k, v in cls.variables.items() if not v.shared and v.window is None]

    @classmethod
    def shared(cls) -> list[str]:
        """Variables shared by the batch, in order."""
        return [k for k, v in cls.variables.items() if v.shared]

    @classmethod
    def windows(cls) -> list[str]:
        """Window variables, in order."""
        return [k for k, v in cls.variables.items() if v.window is not None]

    @classmethod
    def receptors(cls) -> list[str]:
        """Input ports besides `i_syn`, in order."""
        return list(cls.ports)

    @classmethod
    def kernels(cls) -> list[str]:
        """Constants used as first argument of `dot`, in order."""
        calls = [c for b in cls.functions.values() for c in b.calls("dot")]
        found = (getattr(c.args[0], "id", "") for c in calls if c.args)
        return [k for k in dict.fromkeys(found) if k in cls.constant_names]

    @classmethod
    def step_params(cls) -> list[str]:
        """Arguments of `step` that are numbers (parameters, constants, dt, learning), in order."""
        taken = {"i_syn", "spike", *cls.variables, *cls.ports, *cls.kernels()}
        return [a for a in cls.functions["step"].arguments if a not in taken]

    @classmethod
    def outputs(cls) -> list[str]:
        """Names of what `step` returns."""
        names_ = [*cls.state(), *cls.shared(), "spike"]
        returns = cls.functions["step"].returns
        return names_ + ["i_syn"] * (len(returns) == len(names_) + 1)

    @classmethod
    def _check_anatomy(cls) -> None:
        super()._check_anatomy()
        if "step" not in cls.functions:
            return
        body = cls.functions["step"]
        if len(body.returns) != len(cls.outputs()):
            raise body.refuse(
                body.returns[0],
                f"returns {len(body.returns)} values, expected {len(cls.outputs())}: "
                f"{', '.join(cls.outputs())} (shared variables after the others)",
            )
        kinds = {**dict.fromkeys(cls.windows(), WINDOW), **dict.fromkeys(cls.kernels(), KERNEL)}
        kinds |= {"spike": TRUTH, "learning": LEARNING}
        found = kinds_returned(body, kinds)
        for name, node, kind in zip(cls.outputs(), body.returns, found, strict=True):
            expected = TRUTH if name == "spike" else NUMBER
            if kind != expected:
                raise body.refuse(node, f"returns {kind} for '{name}', expected {expected}")
            if name in cls.shared() and getattr(node, "id", "") != name:
                raise body.refuse(
                    node, f"the shared variable '{name}' must be returned by its name"
                )
        split(body, set(cls.shared()), set(cls.step_params()))


@dataclass(frozen=True)
class Term:
    """One `over_batch(...)` of a rule: its expression, and the spike without which it vanishes."""

    expression: ast.expr
    driven_by: str  # "pre", "post", or "" when it never vanishes for sure
    inputs: frozenset[str] = field(default_factory=frozenset)


class Rule(Model):
    """A learning rule: `learn(w, ...)` returns the new weight, then its synaptic variables.

    Arguments of `learn` are found by name: parameters, constants, the rule's own variables, and

    - `w`, `w_min`, `w_max`: the weight and its bounds,
    - `pre`, `post`: spikes (0 or 1) of the source and the target neuron,
    - `<name>_pre`, `<name>_post`: a variable of the source or target population (`x` is the trace),
    - `reward`: the reward given to `run`; inside `over_batch` that of each batch element,
    - `dt`: time step, ms.

    What differs between batch elements must stand inside `over_batch(...)`.  Own traces
    (`Var(at="pre")`, `Var(at="post")`) are advanced by `advance_pre(<own pre traces>, pre, ...)`
    and `advance_post(<own post traces>, post, ...)`.  With ``lag = 1`` learn sees the spikes and
    own traces of the step before.

    `consolidate(w, <synaptic variables>, ...)`, if there is one, returns them for every synapse at
    the end of every step that completes an `interval` (a parameter, ms, counted from step 0), after
    `learn`.  So what changes in every synapse all the time costs what the interval makes of it,
    and `learn` may be left to the spikes.
    """

    specials = frozenset({"w", "w_min", "w_max", "pre", "post", "reward", "dt"})
    state_of_owner = frozenset({"changed", "last_pre", "last_post"})
    lag: ClassVar[int] = 0
    learn: ClassVar[Callable[..., Any]]
    terms: ClassVar[tuple[Term, ...]] = ()
    event_driven: ClassVar[bool] = False
    one_reward: ClassVar[bool] = False
    consolidates: ClassVar[bool] = False
    # not worth kernels of a GPU: it consolidates, or its exp and log count in float64 there
    host_only: ClassVar[bool] = False

    @classmethod
    def _language_functions(cls) -> tuple[str, ...]:
        return ("learn", "advance_pre", "advance_post", "consolidate")

    @classmethod
    def _resolves(cls, argument: str) -> bool:
        return argument.endswith(("_pre", "_post"))

    @classmethod
    def own(cls, at: str) -> list[str]:
        """The rule's own variables at "pre", "post" or "synapse", in order."""
        return [k for k, v in cls.variables.items() if v.at == at]

    @classmethod
    def side(cls, at: str) -> list[str]:
        """Variables of one side that `learn` reads besides the spike; the own ones last."""
        declared = set(cls.params) | set(cls.variables) | cls.constant_names
        seen = [
            a
            for a in cls.functions["learn"].arguments
            if a.endswith(f"_{at}") and a not in declared
        ]
        return seen + cls.own(at)

    @classmethod
    def rewarded(cls) -> bool:
        """Whether a function takes the reward."""
        return any("reward" in f.arguments for f in cls.functions.values())

    @classmethod
    def learn_params(cls) -> list[str]:
        """Arguments of the functions that are numbers, without `reward`, in order."""
        taken = {"w", "reward", "pre", "post", *cls.variables, *cls.side("pre"), *cls.side("post")}
        seen = [a for f in cls.functions.values() for a in f.arguments if a not in taken]
        return list(dict.fromkeys(seen))

    @classmethod
    def _check_anatomy(cls) -> None:
        super()._check_anatomy()
        if cls.ports:
            raise ModelError(f"{cls.__name__}: a rule has no receptors; a neuron model has.")
        if "learn" not in cls.functions:
            return
        body = cls.functions["learn"]
        expected = {"learn": ["w", *cls.own("synapse")]}
        expected |= {f"advance_{at}": cls.own(at) for at in ("pre", "post") if cls.own(at)}
        if "consolidate" in cls.functions:
            expected["consolidate"] = expected["learn"]
            if "interval" not in cls.params:
                raise ModelError(f"{cls.__name__}: consolidate needs a parameter 'interval', ms.")
        for name, values in expected.items():
            if name not in cls.functions:
                raise ModelError(
                    f"{cls.__name__}: {name}({', '.join(values)}, ...) is missing; it advances "
                    f"the rule's own traces."
                )
            function = cls.functions[name]
            if len(function.returns) != len(values):
                raise function.refuse(
                    function.returns[0],
                    f"returns {len(function.returns)} values, expected {len(values)}: "
                    f"{', '.join(values)}",
                )
            refused = {"rand", "dot"} if name == "learn" else {"rand", "dot", "over_batch"}
            for node, kind in zip(
                function.returns, kinds_returned(function, {}, refused), strict=True
            ):
                if kind != NUMBER:
                    raise function.refuse(node, f"returns {kind}, expected {NUMBER}")
            at = "reward" if name == "consolidate" else name.removeprefix("advance_")
            foreign = set(function.arguments) - {*values, at, *cls.learn_params()}
            if name != "learn" and foreign:
                raise function.refuse(None, f"argument '{min(foreign)}' is not known in {name}")
        check_reduced(
            body,
            {"w", *cls.own("synapse")},
            {"pre", "post", *cls.side("pre"), *cls.side("post")},
        )
        cls.terms = tuple(cls._terms(body))
        cls.consolidates = "consolidate" in cls.functions
        cls.host_only = cls.consolidates or any(
            b.calls(word) for b in cls.functions.values() for word in ("exp", "log")
        )
        cls.one_reward = any("reward" in names(e) for e in body.outside("over_batch")) or (
            cls.consolidates and "reward" in cls.functions["consolidate"].arguments
        )
        cls.event_driven = (
            (cls.consolidates or not cls.own("synapse"))
            and all(t.driven_by for t in cls.terms)
            and cls._rests_without_terms(body)
        )

    @classmethod
    def _terms(cls, body: Body) -> list[Term]:
        found = []
        for index, (_, value) in enumerate(body.assignments):
            for node in ast.walk(value):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "over_batch":
                    expression = body.expand(node.args[0], index)
                    inside = {n for f in factors(expression) for n in [getattr(f, "id", "")] if n}
                    driven_by = ""
                    if "pre" in inside and inside & {"post", *cls.side("post")}:
                        driven_by = "pre"
                    elif "post" in inside and inside & set(cls.side("pre")):
                        driven_by = "post"
                    found.append(Term(expression, driven_by, frozenset(names(expression))))
        return found

    @classmethod
    def _rests_without_terms(cls, body: Body) -> bool:
        """Whether learn leaves every synapse as it is, bit for bit, when all its terms are zero."""
        probe = cls()
        generator = torch.Generator().manual_seed(0)
        synapse = {
            name: torch.rand(1000, generator=generator) * 2 - 1
            for name in ("w", *cls.own("synapse"))
        }
        values: dict[str, Any] = dict.fromkeys(probe.argument_values(1.0), torch.tensor(0.37))
        values |= {**synapse, "w_min": torch.tensor(-1.0), "w_max": torch.tensor(1.0)}
        values["reward"] = torch.tensor([[[0.7]]])
        silent = dict.fromkeys(
            ("pre", "post", *cls.side("pre"), *cls.side("post")), torch.zeros(1, 1, 1)
        )
        values |= silent
        learnt = cls.learn(**{name: values[name] for name in body.arguments})
        learnt = learnt if isinstance(learnt, tuple) else (learnt,)
        return all(
            torch.equal(new.reshape(-1), old)
            for new, old in zip(learnt, synapse.values(), strict=True)
        )


__all__ = ["Choice", "Model", "Neuron", "Param", "Receptor", "Rule", "Term", "Var"]
