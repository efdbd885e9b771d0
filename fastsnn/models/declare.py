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
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn.errors import ModelError
from fastsnn.models import language
from fastsnn.models.syntax import Body, factors, names, parse, substitute


@dataclass(frozen=True)
class Param:
    """A number, or one number per neuron, that the user may set.

    default: value when the user gives none; None means "not used" and reads as `absent`.
    unit:    name of the unit (ms, mV, ...), for tables and messages.
    gt, ge, le: bounds; a value outside raises ModelError.
    """

    default: float | None
    unit: str = ""
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    absent: float = math.nan

    def check(self, owner: str, name: str, value: Any) -> float | Tensor:
        """Return the value in float64, or raise ModelError."""
        if value is None and self.default is None:
            return self.absent
        try:
            tensor = torch.as_tensor(value, dtype=torch.float64).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"{owner}({name}={value!r}): expected a number or a tensor."
            ) from error
        bounds = ((self.gt, torch.gt, ">"), (self.ge, torch.ge, ">="), (self.le, torch.le, "<="))
        for bound, holds, sign in bounds:
            if bound is not None and not bool(holds(tensor, bound).all()):
                raise ModelError(f"{owner}({name}={value!r}): expected {name} {sign} {bound}.")
        if bool(tensor.isnan().any()):
            raise ModelError(f"{owner}({name}={value!r}): NaN is no value for a parameter.")
        return float(tensor) if tensor.dim() == 0 else tensor


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of a few names."""

    default: str
    options: tuple[str, ...]

    def check(self, owner: str, name: str, value: Any) -> str:
        """Return the value, or raise ModelError."""
        if value not in self.options:
            raise ModelError(
                f"{owner}({name}={value!r}): expected one of {', '.join(self.options)}."
            )
        return value


@dataclass(frozen=True)
class Var:
    """A state variable.

    unit:   name of the unit.
    init:   value at reset: a number, or the name of a parameter or constant.
    shared: one value per neuron instead of one per neuron and batch element; kept by reset.
    window: name of the constant that gives a number of steps: the variable then holds the last
            values of `of` ("i_syn", this step's included, or "spike"), oldest first, for `dot`.
    at:     (rules) "pre", "post": the rule's own trace per neuron; "synapse": per synapse.
    """

    unit: str = ""
    init: float | str = 0.0
    shared: bool = False
    window: str | None = None
    of: str = "i_syn"
    at: str = "neuron"


class Model:
    """What neuron models and rules have in common; see `Neuron` and `Rule`."""

    params: ClassVar[dict[str, Param | Choice]] = {}
    variables: ClassVar[dict[str, Var]] = {}
    functions: ClassVar[dict[str, Body]] = {}
    specials: ClassVar[frozenset[str]] = frozenset()
    constant_names: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        cls.params = {
            **cls.params,
            **{k: v for k, v in own.items() if isinstance(v, (Param, Choice))},
        }
        cls.variables = {**cls.variables, **{k: v for k, v in own.items() if isinstance(v, Var)}}
        for name in ("constants", *cls._language_functions()):
            if name in own and not isinstance(own[name], staticmethod):
                setattr(cls, name, staticmethod(own[name]))
        cls.functions = dict(cls.functions)
        for name in cls._language_functions():
            if name in own:
                cls.functions[name] = parse(getattr(cls, name), cls.__name__)
        probe = cls()
        cls.constant_names = frozenset(probe.constant_values(1.0))
        cls._check_anatomy()

    def __init__(self, **values: Any) -> None:
        unknown = set(values) - set(self.params)
        if unknown:
            raise ModelError(
                f"{type(self).__name__}: no parameter '{sorted(unknown)[0]}'. "
                f"It has: {', '.join(self.params)}."
            )
        self.values = {
            name: p.check(type(self).__name__, name, values.get(name, p.default))
            for name, p in self.params.items()
        }

    def __repr__(self) -> str:
        shown = (
            f"{k}={v if isinstance(v, (float, str)) else 'tensor' + str(list(v.shape))}"
            for k, v in self.values.items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def _language_functions(cls) -> tuple[str, ...]:
        return ()

    @staticmethod
    def constants(p: SimpleNamespace, dt: float) -> dict[str, Any]:
        """Numbers that `step` or `learn` needs, derived from the parameters p and from dt."""
        return {}

    def constant_values(self, dt: float) -> dict[str, Any]:
        """Constants in float64: float, tensor [n], [W] for a kernel of `dot`, int for a window."""
        return dict(self.constants(SimpleNamespace(**self.values), dt))

    def argument_values(self, dt: float) -> dict[str, float | Tensor]:
        """Every number that the functions may ask for by name: parameters, constants, dt."""
        params = {k: v for k, v in self.values.items() if not isinstance(v, str)}
        return {**params, **self.constant_values(dt), "dt": dt}

    @classmethod
    def _check_anatomy(cls) -> None:
        known = set(cls.params) | set(cls.variables) | cls.constant_names | cls.specials
        for body in cls.functions.values():
            unknown = [a for a in body.arguments if a not in known and not cls._resolves(a)]
            if unknown:
                raise ModelError(
                    f"{cls.__name__}.{body.name}: argument '{unknown[0]}' is no parameter, "
                    f"variable or "
                    f"constant of the model, nor one of {', '.join(sorted(cls.specials))}."
                )

    @classmethod
    def _resolves(cls, argument: str) -> bool:
        return False


class Neuron(Model):
    """A neuron model: `step(...)` returns the new value of every variable, then the spike.

    Arguments of `step` are found by name: the model's variables, parameters and constants, and

    - `i_syn`: input of this step (sum of all projections and external current),
    - `spike`: the neuron's own spike of the step before,
    - `learning`: whether the network learns (only in `where(learning, a, b)`),
    - `dt`: time step, ms.

    A neuron that does not take all its input may return `i_syn`, as far as it acted, after the
    spike (`sum_input` then sums that).  A variable with `shared=True` may only change by
    parameters and by `over_batch(spike)`.
    """

    specials = frozenset({"i_syn", "spike", "learning", "dt"})
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
    def kernels(cls) -> list[str]:
        """Constants used as first argument of `dot`, in order."""
        found = [c.args[0].id for b in cls.functions.values() for c in b.calls("dot")]
        return list(dict.fromkeys(found))

    @classmethod
    def step_params(cls) -> list[str]:
        """Arguments of `step` that are numbers (parameters, constants, dt, learning), in order."""
        taken = {"i_syn", "spike", *cls.variables, *cls.kernels()}
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
        returned = len(cls.functions["step"].returns)
        if returned != len(cls.outputs()):
            raise ModelError(
                f"{cls.__name__}.step returns {returned} values, expected {len(cls.outputs())}: "
                f"{', '.join(cls.outputs())} (shared variables after the others)."
            )


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
    """

    specials = frozenset({"w", "w_min", "w_max", "pre", "post", "reward", "dt"})
    lag: ClassVar[int] = 0
    learn: ClassVar[Callable[..., Any]]
    terms: ClassVar[tuple[Term, ...]] = ()
    event_driven: ClassVar[bool] = False
    one_reward: ClassVar[bool] = False

    @classmethod
    def _language_functions(cls) -> tuple[str, ...]:
        return ("learn", "advance_pre", "advance_post")

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
    def learn_params(cls) -> list[str]:
        """Arguments of the functions that are numbers, without `reward`, in order."""
        taken = {"w", "reward", "pre", "post", *cls.variables, *cls.side("pre"), *cls.side("post")}
        seen = [a for f in cls.functions.values() for a in f.arguments if a not in taken]
        return list(dict.fromkeys(seen))

    @classmethod
    def _check_anatomy(cls) -> None:
        super()._check_anatomy()
        if "learn" not in cls.functions:
            return
        body = cls.functions["learn"]
        expected = ["w", *cls.own("synapse")]
        if len(body.returns) != len(expected):
            raise ModelError(
                f"{cls.__name__}.learn returns {len(body.returns)} values, expected "
                f"{len(expected)}: {', '.join(expected)}."
            )
        cls.terms = tuple(cls._terms(body))
        cls.one_reward = any("reward" in names(e) for e in body.outside("over_batch"))
        cls.event_driven = (
            not cls.own("synapse")
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
                    if "pre" in inside and inside & set(cls.side("post")):
                        driven_by = "pre"
                    elif "post" in inside and inside & set(cls.side("pre")):
                        driven_by = "post"
                    found.append(Term(expression, driven_by, frozenset(names(expression))))
        if any(body.calls("over_batch")) and len(found) != len(body.calls("over_batch")):
            raise ModelError(f"{cls.__name__}.learn: over_batch(...) must stand in an assignment.")
        return found

    @classmethod
    def _rests_without_terms(cls, body: Body) -> bool:
        """Whether learn leaves every weight as it is, bit for bit, when all its terms are zero."""
        probe = cls()
        generator = torch.Generator().manual_seed(0)
        w = torch.rand(1000, generator=generator) * 2 - 1
        values: dict[str, Any] = dict.fromkeys(probe.argument_values(1.0), torch.tensor(0.37))
        values |= {"w": w, "w_min": torch.tensor(-1.0), "w_max": torch.tensor(1.0)}
        values["reward"] = torch.tensor([[[0.7]]])
        silent = dict.fromkeys(
            ("pre", "post", *cls.side("pre"), *cls.side("post")), torch.zeros(1, 1, 1)
        )
        values |= silent
        learnt = cls.learn(**{name: values[name] for name in body.arguments})
        return bool(torch.equal(learnt.reshape(-1), w))


__all__ = ["Choice", "Model", "Neuron", "Param", "Rule", "Term", "Var", "language", "substitute"]
