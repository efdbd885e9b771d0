# SPDX-License-Identifier: Apache-2.0
"""What does not go together in a projection."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastsnn.errors import ModelError

if TYPE_CHECKING:
    from fastsnn.projection import Projection

REDUCTIONS = ("sum", "mean", "max")
DELAY_KINDS = ("axonal", "dendritic")
_SHAPES = {True: "shared by the batch", False: "a window of past steps"}


def check_options(p: Projection, delay_kind: str) -> None:
    """Raise ModelError where an option is impossible."""
    if delay_kind not in DELAY_KINDS:
        raise ModelError(
            f"{p}: delay_kind={delay_kind!r}, expected one of {', '.join(DELAY_KINDS)}."
        )
    if p.dendritic and not p.wiring.is_listed:
        raise ModelError(
            f"{p}: delay_kind='dendritic' needs synapses in a list: Sparse(...) or a wiring "
            f"of fastsnn.sparse with a rule."
        )
    if p.reduction not in REDUCTIONS:
        raise ModelError(
            f"{p}: reduction={p.reduction!r}, expected one of {', '.join(REDUCTIONS)}."
        )
    if not (0.0 <= p.weight_decay < 1.0):
        raise ModelError(f"{p}: weight_decay={p.weight_decay!r}, expected 0 <= weight_decay < 1.")
    if p.norm is not None and not (math.isfinite(p.norm) and p.norm > 0):
        raise ModelError(f"{p}: norm={p.norm!r}, expected a positive number or None.")
    if not p.wiring.learns and (p.rule or p.weight_decay or p.norm is not None):
        raise ModelError(
            f"{p}: {p.wiring.__name__} is static; rule, weight_decay and norm need "
            f"Dense, Conv, Local or Sparse."
        )


def check_delays(p: Projection, batch_size: int) -> None:
    """Raise ModelError where delays meet what knows none."""
    side = p.delayed
    if side is None:
        return
    if batch_size != 1:
        raise ModelError(f"{p}: delays of more than a step need batch_size=1, got {batch_size}.")
    if p.rule is None:
        return
    kind = type(p.rule)
    foreign = [name for name in kind.side(side) if name not in kind.own(side)]
    if foreign or kind.lag:
        what = f"'{foreign[0]}' of the population" if foreign else "spikes of the step before"
        raise ModelError(
            f"{p}: {kind.__name__} reads {what}, which no delay can hold back; use a rule "
            f"with traces of its own, e.g. PairSTDP()."
        )


def check_rule(p: Projection) -> None:
    """Raise ModelError where its rule does not fit it."""
    if p.rule is None:
        return
    kind = type(p.rule)
    shared = p.synapses is None or p.synapses.weight is not None
    if kind.consolidates and (shared or p.norm is not None or p.weight_decay):
        raise ModelError(
            f"{p}: {kind.__name__} needs listed synapses (Sparse(...) or a wiring of "
            f"fastsnn.sparse) without norm and weight_decay."
        )
    for name, value in p.rule.values.items():
        if isinstance(value, Tensor):
            raise ModelError(f"{p}: {kind.__name__}({name}=...) must be one number.")
    infinite = [n for n in ("w_min", "w_max") if not bool(torch.isfinite(getattr(p, n)).all())]
    if getattr(p.rule, "needs_bounds", False) and infinite:
        raise ModelError(
            f"{p}: {kind.__name__} needs finite w_min and w_max, {infinite[0]} is infinite."
        )
    uses = set(kind.functions["learn"].arguments)
    if uses & {"w_min", "w_max"} and max(p.w_min.numel(), p.w_max.numel()) > 1:
        raise ModelError(
            f"{p}: {kind.__name__} takes one w_min and one w_max, not one per synapse."
        )
    for at, population in (("pre", p.source), ("post", p.target)):
        for name in kind.side(at):
            variable = name.removesuffix(f"_{at}")
            if name in kind.own(at) or variable in population.state:
                continue
            if variable in population.variables():
                raise ModelError(
                    f"{p}: {kind.__name__} reads '{variable}' of population "
                    f"'{population.name}', which is {_SHAPES[variable in population.shared]}; "
                    f"expected a variable with one value per neuron and batch element."
                )
            hint = f" Make '{population.name}' with traces=True." if variable == "x" else ""
            raise ModelError(
                f"{p}: {kind.__name__} reads '{variable}' of population "
                f"'{population.name}', "
                f"which has none.{hint}"
            )
