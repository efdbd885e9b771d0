# SPDX-License-Identifier: Apache-2.0
"""Connections with one weight per pair of neurons, and their base."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from fastsnn.bindsnet.network._live import frozen
from fastsnn.bindsnet.network.nodes import Nodes
from fastsnn.errors import ModelError, ShapeError

Nu = float | Sequence[float] | Sequence[Tensor] | None
Reduction = Callable[..., Tensor] | None


class Windowing:
    """What connections to CSRM layers have: the last spikes of their source."""

    s_w: Tensor | None = None

    def compute_window(self, s: Tensor) -> Tensor:
        """The currents of the last steps, oldest first: [batch, window, *target.shape]."""
        window = self.target.res_window_size
        known = self.s_w
        if known is None or len(known) != len(s) or known.device != s.device:
            self.s_w = torch.zeros(len(s), window, self.source.n, device=s.device)
        self.s_w = torch.cat((self.s_w[:, 1:], flat(s).to(self.s_w.dtype)[:, None]), 1)
        current = self.compute(self.s_w.reshape(-1, *self.source.shape))
        return current.reshape(len(s), window, *self.target.shape)

    def reset_state_variables(self) -> None:
        """Put the connection's own state at its initial values."""
        self.s_w = None


class AbstractConnection(Windowing, ABC, Module):
    """How the spikes of a layer reach another.  Derive from it and write `compute`.

    nu: learning rates (pre, post).  reduction: of updates over the batch, f(tensor, dim=0).
    weight_decay: fraction lost a step.  Keywords: update_rule, wmin, wmax, norm, Dales_rule (bool,
    shaped as w or one per source neuron: True stays >= 0, False stays <= 0), and the rule's own.
    """

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        nu: Nu = None,
        reduction: Reduction = None,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        for what, layer in (("source", source), ("target", target)):
            if not isinstance(layer, Nodes):
                raise ModelError(
                    f"{type(self).__name__}: {what} is a {type(layer).__name__}, expected a layer."
                )
        from fastsnn.bindsnet.learning.learning import NoOp

        self.source, self.target = source, target
        self.nu, self.reduction, self.weight_decay = nu, reduction, weight_decay
        self.dt: float | None = None
        self.wmin = frozen(torch.as_tensor(kwargs.get("wmin", -torch.inf), dtype=torch.float32))
        self.wmax = frozen(torch.as_tensor(kwargs.get("wmax", torch.inf), dtype=torch.float32))
        self._bounded: tuple[Any, bool] = (None, False)
        self.norm, self.decay = kwargs.get("norm"), kwargs.get("decay")
        self.Dales_rule = kwargs.get("Dales_rule")
        rule = kwargs.get("update_rule") or NoOp
        self.update_rule = rule(
            connection=self, nu=nu, reduction=reduction, weight_decay=weight_decay, **kwargs
        )

    @abstractmethod
    def compute(self, s: Tensor) -> Tensor:
        """Current of the spikes s [batch, *source.shape]: [batch, *target.shape]."""

    def update(self, **kwargs: Any) -> None:
        """Learn, then hold masked weights at zero, then signs by Dale's rule."""
        if kwargs.get("learning", True):
            self.update_rule.update(**kwargs)
        mask = kwargs.get("mask")
        if mask is not None:
            self.w.masked_fill_(mask, 0.0)
        if self.Dales_rule is not None:
            self.enforce_signs()

    def enforce_signs(self) -> None:
        """Set weights of the wrong sign to zero."""
        positive = torch.as_tensor(self.Dales_rule, dtype=torch.bool, device=self.w.device)
        if positive.dim() == 1 and self.w.dim() > 1 and positive.shape != self.w.shape:
            positive = positive.reshape(-1, *[1] * (self.w.dim() - 1))
        self.w.masked_fill_(torch.where(positive, self.w < 0, self.w > 0), 0.0)

    def normalize(self) -> None:
        """Scale weights to `norm`; called at the end of a run."""

    @property
    def bounded(self) -> bool:
        """Whether a bound is finite."""
        bounds = (self.wmin, self.wmax)
        now = tuple((id(b), b._version) for b in bounds)
        if now != self._bounded[0]:
            finite = bool((self.wmin != -torch.inf).any() or (self.wmax != torch.inf).any())
            self._bounded = (now, finite)
        return self._bounded[1]

    def initial(self, w: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> Parameter:
        """The given weight within its bounds, or one drawn uniformly."""
        low, high = self.wmin, self.wmax
        if w is None:
            w = torch.rand(shape)
            infinite = bool((low == -torch.inf).any() or (high == torch.inf).any())
            w = torch.clamp(w, low, high) if infinite else low + w * (high - low)
            return frozen(w.detach().to(dtype))
        w = torch.as_tensor(w)
        if tuple(w.shape) != shape:
            raise ShapeError(
                f"{type(self).__name__}: w has shape {tuple(w.shape)}, expected {shape}."
            )
        w = self.cast_dtype_if_needed(w, dtype)
        if self.bounded:
            w = torch.clamp(w, low, high).to(dtype)
        return frozen(w.detach())

    @staticmethod
    def cast_dtype_if_needed(w: Tensor, w_dtype: torch.dtype) -> Tensor:
        """A weight in a type; warns where it had another one."""
        if w.dtype != w_dtype:
            warnings.warn(f"w is {w.dtype} and becomes {w_dtype} (w_dtype).", stacklevel=4)
        return w.to(w_dtype)

    # what rules ask for

    def outer(self, pre: Tensor, post: Tensor) -> Tensor:
        """Product of what sources and targets hold, for every weight: [batch, *w.shape]."""
        raise NotImplementedError(f"{type(self).__name__} has no weights that a rule could learn.")

    def outer_sum(self, pre: Tensor, post: Tensor) -> Tensor:
        """`outer` summed over the batch."""
        return self.outer(pre, post).sum(0)

    def weight(self) -> Tensor:
        """The weight as a dense tensor, for rules."""
        return self.w

    def store(self, w: Tensor) -> None:
        """Take the weight that a rule computed."""
        self.w.copy_(w)


def flat(x: Tensor) -> Tensor:
    """[batch, *shape] as [batch, n]."""
    return x.reshape(len(x), -1)


class Connection(AbstractConnection):
    """All to all.  w: [source.n, target.n] (pre, post), b: [target.n], added every step."""

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        nu: Nu = None,
        reduction: Reduction = None,
        weight_decay: float = 0.0,
        w_dtype: torch.dtype = torch.float32,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, nu, reduction, weight_decay, **kwargs)
        self.w = self.initial(kwargs.get("w"), (source.n, target.n), w_dtype)
        b = kwargs.get("b")
        self.b = None if b is None else frozen(b)

    def compute(self, s: Tensor) -> Tensor:
        """Sum of the weights of the sources that spike."""
        current = flat(s).to(self.w.dtype) @ self.w
        if self.b is not None:
            current = current + self.b
        return current.reshape(len(s), *self.target.shape)

    def normalize(self) -> None:
        """Scale the columns so that their absolute values sum to norm."""
        if self.norm is not None:
            w = self.weight()
            total = w.abs().sum(0)
            self.store(w * (self.norm / torch.where(total == 0, 1.0, total)))

    def outer(self, pre: Tensor, post: Tensor) -> Tensor:
        """[batch, source.n, target.n]."""
        return flat(pre)[:, :, None] * flat(post)[:, None, :]

    def outer_sum(self, pre: Tensor, post: Tensor) -> Tensor:
        """[source.n, target.n]."""
        return flat(pre).T @ flat(post)


class SparseConnection(Connection):
    """All to all, with the weight kept as a sparse (COO) tensor; learning fills it in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.w = frozen(self.w.to_sparse())

    def compute(self, s: Tensor) -> Tensor:
        """Sum of the weights of the sources that spike."""
        current = torch.sparse.mm(self.w.t(), flat(s).to(self.w.dtype).T).T
        if self.b is not None:
            current = current + self.b
        return current.reshape(len(s), *self.target.shape)

    def weight(self) -> Tensor:
        """The weight as a dense tensor."""
        return self.w.to_dense()

    def store(self, w: Tensor) -> None:
        """Take a dense weight."""
        self.w.data = w.to_sparse()

    def update(self, **kwargs: Any) -> None:
        """Learn, then mask, then signs."""
        if kwargs.get("learning", True):
            self.update_rule.update(**kwargs)
        mask, signs = kwargs.get("mask"), self.Dales_rule
        if mask is not None:
            self.store(self.weight().masked_fill(mask, 0.0))
        if signs is not None:
            w, positive = self.weight(), torch.as_tensor(signs, dtype=torch.bool)
            positive = positive[:, None] if positive.dim() == 1 else positive
            self.store(w.masked_fill(torch.where(positive, w < 0, w > 0), 0.0))


class MeanFieldConnection(AbstractConnection):
    """Every target gets w times the mean of all sources' spikes, over the batch too.

    w: a number, or [*target.shape].
    """

    def __init__(
        self,
        source: Nodes,
        target: Nodes,
        nu: Nu = None,
        weight_decay: float = 0.0,
        w_dtype: torch.dtype = torch.float32,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, nu, None, weight_decay, **kwargs)
        w = kwargs.get("w")
        if w is None:
            w = (torch.randn(1)[0] + 1) / 10
            if not bool((self.wmin == -torch.inf).any() or (self.wmax == torch.inf).any()):
                w = self.wmin + w * (self.wmax - self.wmin)
        w = torch.as_tensor(w)
        self.w = frozen(torch.clamp(w, self.wmin, self.wmax).detach().to(w_dtype))

    def compute(self, s: Tensor) -> Tensor:
        """The mean activity, weighted."""
        return s.to(self.w.dtype).mean() * self.w

    def normalize(self) -> None:
        """Scale w so that it sums to norm."""
        if self.norm is not None:
            total = self.w.sum()
            self.w.mul_(self.norm / torch.where(total == 0, 1.0, total))
