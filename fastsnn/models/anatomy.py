# SPDX-License-Identifier: Apache-2.0
"""The parts of a model: parameters, variables, constants; and what all models have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastsnn.errors import ModelError
from fastsnn.models import language
from fastsnn.models.syntax import Body, parse


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
            tensor = torch.as_tensor(value, dtype=torch.float64).detach().cpu().clone()
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


@dataclass(frozen=True)
class Receptor:
    """A port of its own for synaptic input: an argument of `step` that holds, in each step, the
    sum of the weights that arrive there (0 where nothing does).

    unit: name of the unit of a weight.
    sign: 1, -1: no weight may be negative, positive; 0: any weight.
    """

    unit: str = ""
    sign: int = 0

    def __post_init__(self) -> None:
        if self.sign not in (-1, 0, 1):
            raise ModelError(f"Receptor(sign={self.sign!r}): expected -1, 0 or 1.")


class Model:
    """What neuron models and rules have in common; see `Neuron` and `Rule`."""

    params: ClassVar[dict[str, Param | Choice]] = {}
    variables: ClassVar[dict[str, Var]] = {}
    ports: ClassVar[dict[str, Receptor]] = {}
    functions: ClassVar[dict[str, Body]] = {}
    specials: ClassVar[frozenset[str]] = frozenset()
    state_of_owner: ClassVar[frozenset[str]] = frozenset()  # what a population or projection adds
    constant_names: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        for name, value in own.items():
            inherited = [vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)]
            parts = (Param, Choice, Var, Receptor)
            if isinstance(value, parts) and not all(isinstance(v, parts) for v in inherited):
                raise ModelError(f"{cls.__name__}: the name '{name}' is taken; give another one.")
        cls.params = {
            **cls.params,
            **{k: v for k, v in own.items() if isinstance(v, (Param, Choice))},
        }
        cls.variables = {**cls.variables, **{k: v for k, v in own.items() if isinstance(v, Var)}}
        cls.ports = {**cls.ports, **{k: v for k, v in own.items() if isinstance(v, Receptor)}}
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
        groups = (cls.params, cls.variables, cls.ports, cls.constant_names, cls.specials)
        known = set().union(*groups)
        for name in sorted(known):
            taken = name in language.WORDS or name in cls.state_of_owner & set(cls.variables)
            if taken or sum(name in group for group in groups) > 1:
                raise ModelError(f"{cls.__name__}: the name '{name}' is taken; give another one.")
        for name, v in cls.variables.items():
            for given in (v.init, v.window):
                if isinstance(given, str) and given not in {*cls.params, *cls.constant_names}:
                    raise ModelError(
                        f"{cls.__name__}: variable '{name}' needs '{given}', which is no parameter "
                        f"or constant of the model."
                    )
        for body in cls.functions.values():
            unknown = [a for a in body.arguments if a not in known and not cls._resolves(a)]
            if unknown:
                raise body.refuse(
                    None,
                    f"argument '{unknown[0]}' is no parameter, variable or constant of the model, "
                    f"nor one of {', '.join(sorted(cls.specials))}",
                )

    @classmethod
    def _resolves(cls, argument: str) -> bool:
        return False


__all__ = ["Choice", "Model", "Param", "Receptor", "Var"]
