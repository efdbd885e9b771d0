# SPDX-License-Identifier: Apache-2.0
"""Pipelines of features as a projection with features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn.bindsnet.learning import MCC_learning as mcc
from fastsnn.bindsnet.network._translate import Untranslatable
from fastsnn.bindsnet.network.topology_features import (
    Bias,
    Degradation,
    Intensity,
    Mask,
    Weight,
)
from fastsnn.compartments import Compartments, rest_of

STATIC = (Weight, Mask, Intensity, Bias, Degradation)
_ADDED = {Bias: "add", Degradation: "subtract"}


def check(pair: Any, connection: Any) -> None:
    """Raise Untranslatable where a pipeline is beyond projections."""
    features, part = connection.pipeline, ("connection", pair)
    kinds = [type(f) for f in features]
    if not features or not set(kinds) <= set(STATIC) or connection.traces:
        names = ", ".join(k.__name__ for k in kinds) or "nothing"
        raise Untranslatable(f"connection {pair} is made of {names}, or traced", part)
    if any(
        f.enforce_polarity or getattr(f, "norm_frequency", "sample") != "sample" for f in features
    ):
        raise Untranslatable(f"connection {pair} does more than weigh", part)


def is_idle(connection: Any) -> bool:
    """Whether nothing learns."""
    rules = (f.learning_rule for f in connection.pipeline)
    return connection.manual_update or all(type(rule) is mcc.NoOp for rule in rules)


def is_product(connection: Any) -> bool:
    """Whether features are natively multiplied into one weight and one bias."""
    features = connection.pipeline
    fixed = is_idle(connection) and all(f.norm is None for f in features)
    return fixed and len(features) > 1 and {type(f) for f in features} <= set(STATIC)


def product(features: list[Any]) -> tuple[Tensor, Tensor | None]:
    """Features that do not learn, as one weight and one bias."""
    weight, bias = torch.ones(features[0].shape), torch.zeros(features[0].shape)
    for feature in features:
        if type(feature) in _ADDED:
            amount = _amount(feature)
            bias = bias + amount if type(feature) is Bias else bias - amount
        else:
            value = feature.value.detach().to(torch.float32)
            weight, bias = weight * value, bias * value
    bias = bias.sum(0)
    return weight, bias if bool(bias.any()) else None


def signals(pair: Any, connection: Any) -> tuple[Any, Compartments]:
    """The feature whose value is the weight, and the others.  Raises Untranslatable."""
    features, part = connection.pipeline, ("connection", pair)
    weights = [f for f in features if type(f) is Weight]
    if len(weights) != 1:
        raise Untranslatable(f"connection {pair} has {len(weights)} weights", part)
    steps: list[tuple[str, Tensor]] = []
    for feature in features:
        if feature is weights[0]:
            # it comes first natively, which factors before it do not mind
            if any(act in _ADDED.values() for act, _ in steps):
                raise Untranslatable(f"connection {pair} weighs what it delivers at rest", part)
            continue
        if type(feature) in _ADDED:
            steps.append((_ADDED[type(feature)], _amount(feature)))
        else:
            steps.append(("multiply", feature.value.detach().to(torch.float32).contiguous()))
        if feature.norm is not None:
            raise Untranslatable(f"connection {pair} normalises more than its weight", part)
    return weights[0], Compartments(tuple(steps), rest=rest_of(steps))


def _amount(feature: Any) -> Tensor:
    """What is added or subtracted at every step."""
    value = feature.value.detach()
    amount = feature.degrade_function(value) if type(feature) is Degradation else value
    return torch.as_tensor(amount).to(torch.float32).expand(feature.value.shape).contiguous()
