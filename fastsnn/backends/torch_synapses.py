# SPDX-License-Identifier: Apache-2.0
"""How the reference sees the synapses of a projection.

A rule is called once, on the tensors that `pre`, `post`, `each` and `read` give; what it returns is
put back by `write`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn.models.language import maximum
from fastsnn.plan import ProjectionPlan


class Wired:
    """What a projection delivers."""

    def __init__(self, p: ProjectionPlan) -> None:
        self.p = p

    def begin(self, seed: int, step: int) -> None:
        """Before the currents of a step of the network's clock."""

    def deliver(self, spike: Tensor) -> Tensor:
        """Current [B, n_post] of spikes, float32 0/1 [B, n_pre]."""
        raise NotImplementedError


class OneToOne(Wired):
    """Weight [n] or [1]."""

    def deliver(self, spike: Tensor) -> Tensor:
        return spike * self.p.w


class AllButOne(Wired):
    """Weight [1]."""

    def deliver(self, spike: Tensor) -> Tensor:
        return (spike.sum(1, keepdim=True) - spike) * self.p.w


class MeanField(Wired):
    """Weight [n_post] or [1]."""

    def deliver(self, spike: Tensor) -> Tensor:
        count = spike.sum(1, keepdim=True)
        # a tensor: torch on a GPU multiplies by the reciprocal of a plain number
        mean = count / torch.full_like(count, spike.shape[1])
        return mean * self.p.w


class Grid(Wired):
    """Dense: weight [n_pre, n_post]."""

    def deliver(self, spike: Tensor) -> Tensor:
        w = self.p.w
        current = torch.zeros(len(spike), w.shape[1], device=w.device)
        for i in spike.any(0).nonzero()[:, 0].tolist():
            current = current + spike[:, i, None] * w[i]
        return current

    def pre(self, x: Tensor) -> Tensor:
        """Of the source, [B, n_pre] -> [B, *synapses]."""
        return x[:, :, None]

    def post(self, x: Tensor) -> Tensor:
        """Of the target, [B, n_post] -> [B, *synapses]."""
        return x[:, None, :]

    def each(self, x: Tensor) -> Tensor:
        """Of the batch elements, [B] -> [B, *synapses], or what broadcasts to it."""
        return x[:, None, None]

    def read(self, w: Tensor) -> Tensor:
        """The weight or a synaptic variable, as `learn` takes it."""
        return w

    def write(self, w: Tensor, new: Tensor) -> None:
        """Put back what `learn` returned."""
        w.copy_(new)

    def share(self, x: Tensor) -> Tensor:
        """Sum over the synapses that share a weight."""
        return x

    def changed(self, differs: Tensor) -> Tensor:
        """Which sums of |w| hold a weight that differs."""
        return differs.any(0)

    def normalize(self, sums: Tensor, norm: Tensor) -> None:
        """Scale the weights of the chosen sums (ids) so that their |w| sum to `norm`."""
        chosen = self.p.w[:, sums]
        self.p.w[:, sums] = chosen * _factor(list(chosen), norm)


class Indexed(Grid):
    """Synapses in rows, each with the place of its weight in w.flatten()."""

    def __init__(self, p: ProjectionPlan) -> None:
        super().__init__(p)
        assert p.synapses is not None
        self.s = s = p.synapses
        self.rows = s.row_ptr.tolist()
        self.target = s.post.long()
        self.place = torch.arange(s.n_syn, device=s.post.device) if s.weight is None else s.weight
        self.place = self.place.long()
        self.sharing = _table(self.place, int(self.place.max()) + 1) if s.filters else None
        self.columns = None if s.filters else _table(self.target, s.n_post)

    def pre(self, x: Tensor) -> Tensor:
        return x[:, self.s.pre]

    def post(self, x: Tensor) -> Tensor:
        return x[:, self.target]

    def each(self, x: Tensor) -> Tensor:
        return x[:, None].expand(-1, self.s.n_syn)

    def read(self, w: Tensor) -> Tensor:
        return w.flatten() if self.s.filters else w.flatten()[self.place]

    def write(self, w: Tensor, new: Tensor) -> None:
        if self.s.filters:
            w.copy_(new.reshape(w.shape))
        else:
            w.view(-1)[self.place] = new.expand(self.s.n_syn)

    def share(self, x: Tensor) -> Tensor:
        if self.sharing is None:
            return x
        padded = torch.cat([x.expand(self.s.n_syn), x.new_zeros(1)])
        total = torch.zeros(self.sharing.shape[1], device=x.device)
        for synapses in self.sharing:
            total = total + padded[synapses]
        return total

    def deliver(self, spike: Tensor) -> Tensor:
        w = self.p.w.flatten()
        current = torch.zeros(len(spike), self.s.n_post, device=w.device)
        for i in spike.any(0).nonzero()[:, 0].tolist():
            row = slice(self.rows[i], self.rows[i + 1])
            current[:, self.target[row]] += spike[:, i, None] * w[self.place[row]]
        return current

    def changed(self, differs: Tensor) -> Tensor:
        if self.s.filters:
            return differs.reshape(self.s.n_sums, -1).any(1)
        out = torch.zeros(self.s.n_post, dtype=torch.bool, device=differs.device)
        out[self.target[differs.flatten()[self.place]]] = True
        return out

    def normalize(self, sums: Tensor, norm: Tensor) -> None:
        w = self.p.w
        if self.s.filters:
            blocks = w.view(self.s.n_sums, -1)
            chosen = blocks[sums]
            blocks[sums] = chosen * _factor(list(chosen.T), norm)[:, None]
            return
        assert self.columns is not None
        own = w.flatten()[self.place]
        padded = torch.cat([own, own.new_zeros(1)])
        factor = torch.ones(self.s.n_post, device=w.device)
        factor[sums] = _factor([padded[row] for row in self.columns[:, sums]], norm)
        w.view(-1)[self.place] = own * factor[self.target]


def _factor(rows: list[Tensor], norm: Tensor) -> Tensor:
    """norm / sum |row|, the sum in ascending order; a zero sum counts as 1."""
    total = torch.zeros_like(rows[0]) if rows else norm
    for row in rows:
        total = total + row.abs()
    return norm / torch.where(total == 0.0, 1.0, total)


def _table(group: Tensor, n_groups: int) -> Tensor:
    """Members of every group in ascending order, [most members, n_groups]; len(group) pads."""
    order = torch.argsort(group, stable=True)
    sizes = torch.bincount(group, minlength=n_groups)
    first = sizes.cumsum(0) - sizes
    most = int(sizes.max()) if len(sizes) else 0
    table = torch.full((most, n_groups), len(group), device=group.device)
    ids = group[order]
    table[torch.arange(len(group), device=group.device) - first[ids], ids] = order
    return table


class Pool(Wired):
    """Windows of a max-pooling; weight [1]."""

    def __init__(self, p: ProjectionPlan) -> None:
        super().__init__(p)
        s = p.synapses
        assert s is not None
        padded = torch.cat([s.pre, torch.tensor([s.n_pre], device=s.pre.device)])
        self.windows = padded[_table(s.post.long(), s.n_post)]

    def deliver(self, spike: Tensor) -> Tensor:
        rate = self.p.rate
        assert rate is not None
        rate.copy_(rate - rate * torch.tensor(self.p.decay, dtype=torch.float32) + spike)
        rates = torch.nn.functional.pad(rate, (0, 1), value=-torch.inf)
        spikes = torch.nn.functional.pad(spike, (0, 1))
        best, value = rates[:, self.windows[0]], spikes[:, self.windows[0]]
        for members in self.windows[1:]:
            value = torch.where(rates[:, members] > best, spikes[:, members], value)
            best = maximum(rates[:, members], best)
        return value * self.p.w


KINDS: dict[str, type[Wired]] = {
    "dense": Grid,
    "one_to_one": OneToOne,
    "all_but_one": AllButOne,
    "indexed": Indexed,
    "max_pool": Pool,
    "mean_field": MeanField,
}

__all__ = ["KINDS", "Grid", "Wired"]
