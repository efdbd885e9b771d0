# SPDX-License-Identifier: Apache-2.0
"""What a rule of `fastsnn.models.rules` is called with: the two sides of a connection.

`pre * x_post` of two sides is a `Pair`: the product for every weight, made only when it is reduced
over the batch, and then by the connection (a matrix product, or patch by patch).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from fastsnn.bindsnet.network._dense import AbstractConnection


class Reducer:
    """How products are made and reduced over the batch: reduction(tensor, dim=0)."""

    def __init__(self, connection: AbstractConnection, reduction: Callable[..., Tensor]) -> None:
        self.connection, self.reduction = connection, reduction

    def reduce(self, pre: Tensor, post: Tensor, factor: Any) -> Tensor:
        """Reduced product, times `factor` per weight before."""
        factor, pre = self._into(pre, factor)
        if factor is None:
            # squeeze cannot drop a batch of several; the sum is what it means for one
            if self.reduction in (torch.sum, torch.squeeze):
                return self.connection.outer_sum(pre, post)
            return self.reduction(self.connection.outer(pre, post), dim=0)
        product = factor * self.connection.outer(pre, post)
        summing = self.reduction in (torch.sum, torch.squeeze)
        return product.sum(0) if summing else self.reduction(product, dim=0)

    def nothing(self, pre: Tensor, post: Tensor) -> Any:
        """What a product of zeros is reduced to."""
        return NOTHING

    def _into(self, pre: Tensor, factor: Any) -> tuple[Any, Tensor]:
        """Multiply factors that are the same for all weights of a sample into `pre`."""
        if factor is None:
            return None, pre
        factor = torch.as_tensor(factor, dtype=pre.dtype, device=pre.device)
        if factor.numel() == 1:
            return None, pre * factor.reshape(())
        per_sample = factor.shape[0] == len(pre) == factor.numel()
        if per_sample:
            return None, pre * factor.reshape(-1, *[1] * (pre.dim() - 1))
        return factor, pre


class OverFilters(Reducer):
    """Reward-modulated updates of a convolution: every filter gets the sum of all filters'."""

    def reduce(self, pre: Tensor, post: Tensor, factor: Any) -> Tensor:
        """Reduced product, the same for all filters."""
        factor, pre = self._into(pre, factor)
        total = self.connection.outer_sum(pre, post)
        total = total if factor is None else total * factor
        return total.sum(0, keepdim=True).expand_as(total)


class Nothing:
    """A product that is zero for every weight: what it is added to stays the same tensor."""

    def _same(self, _: Any) -> Nothing:
        return self

    def _other(self, other: Any) -> Any:
        return other

    __mul__ = __rmul__ = __truediv__ = _same
    __add__ = __radd__ = __rsub__ = _other

    def __sub__(self, other: Any) -> Any:
        return self if isinstance(other, Nothing) else -other


NOTHING = Nothing()


class Pair:
    """Product of a source's and a target's quantity, for every weight."""

    def __init__(self, reducer: Reducer, pre: Tensor, post: Tensor, factor: Any = None) -> None:
        self.reducer, self.pre, self.post, self.factor = reducer, pre, post, factor

    def __mul__(self, other: Any) -> Pair:
        factor = other if self.factor is None else self.factor * other
        return Pair(self.reducer, self.pre, self.post, factor)

    __rmul__ = __mul__

    def over_batch(self) -> Any:
        """Shape of the weight; or nothing, where no neuron of a side has anything."""
        if not (self.post.any() and self.pre.any()):
            return self.reducer.nothing(self.pre, self.post)
        return self.reducer.reduce(self.pre, self.post, self.factor)


class Side:
    """A quantity of all sources (at "pre") or all targets ("post"), [batch, *shape]."""

    def __init__(self, reducer: Reducer, at: str, data: Tensor) -> None:
        self.reducer, self.at, self.data = reducer, at, data

    def _with(self, other: Any, op: Callable[[Any, Any], Tensor]) -> Side:
        other = other.data if isinstance(other, Side) else other
        return Side(self.reducer, self.at, op(self.data, other))

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Pair):
            return NotImplemented
        if isinstance(other, Side) and other.at != self.at:
            pre, post = (self, other) if self.at == "pre" else (other, self)
            return Pair(self.reducer, pre.data, post.data)
        return self._with(other, torch.mul)

    def __rmul__(self, other: Any) -> Side:
        return self._with(other, torch.mul)

    def __add__(self, other: Any) -> Side:
        return self._with(other, torch.add)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Side:
        return self._with(other, torch.sub)

    def __rsub__(self, other: Any) -> Side:
        return self._with(other, lambda a, b: b - a)

    def __truediv__(self, other: Any) -> Side:
        return self._with(other, torch.div)

    def __rtruediv__(self, other: Any) -> Side:
        return self._with(other, lambda a, b: b / a)

    def __neg__(self) -> Side:
        return Side(self.reducer, self.at, -self.data)
