# SPDX-License-Identifier: Apache-2.0
"""How the reference sees the synapses of a projection.

A rule is called once, on the tensors that `pre`, `post`, `each` and `read` give; what it returns is
put back by `write`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastsnn.backends.torch_terminals import Terminals
from fastsnn.models.language import maximum
from fastsnn.plan import ProjectionPlan


class Wired:
    """What a projection delivers."""

    def __init__(self, p: ProjectionPlan) -> None:
        self.p = p

    def begin(self, seed: int, step: int) -> None:
        """Before the currents of a step of the network's clock."""

    def deliver(self, spike: Tensor) -> Tensor:
        """Current [B, n_post] of spikes, 0 or 1 in the type of w, [B, n_pre]."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget what is under way."""


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
        current = w.new_zeros(len(spike), w.shape[1])
        for i in spike.any(0).nonzero()[:, 0].tolist():
            current = current + spike[:, i, None] * w[i]
        return current

    def note(self, pre: Tensor, post: Tensor) -> None:
        """Spikes of the step, bool [B, n]: what is under way to the synapses."""

    def see(self, at: str, spike: Tensor, own: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """What of one side reaches the synapses in the step.

        spike, own: of the step, [B, n].  Returns the spikes that move the rule's own traces, and
        at the synapses spikes and own traces, [B, *synapses], all in the type of w.
        """
        to = self.pre if at == "pre" else self.post
        spike = spike.to(self.p.w.dtype)
        return spike, to(spike), [to(x) for x in own]

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
        self.terminals = None if p.terminal is None else Terminals(p.terminal)

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
        total = x.new_zeros(self.sharing.shape[1])
        for synapses in self.sharing:
            total = total + padded[synapses]
        return total

    def deliver(self, spike: Tensor) -> Tensor:
        current = spike.new_zeros(len(spike), self.s.n_post)
        spike = self.release(spike)
        for i in spike.any(0).nonzero()[:, 0].tolist():
            self.add(current, spike[:, i], slice(self.rows[i], self.rows[i + 1]))
        return current

    def release(self, spike: Tensor) -> Tensor:
        """What arriving spikes scale weights by, [B, n_pre]: 1, or their terminals' efficacy."""
        return spike if self.terminals is None else spike * self.terminals.release(spike)

    def reset(self) -> None:
        if self.terminals is not None:
            self.terminals.reset()

    def add(self, current: Tensor, spike: Tensor, row: slice) -> None:
        """Add some synapses of one neuron to the currents [B, n_post]; its releases: [B]."""
        w = self.p.w.flatten()[self.place[row]]
        for b in spike.nonzero()[:, 0].tolist():
            # one after another: a pair may be joined more than once
            current[b].index_add_(0, self.target[row], w * spike[b])

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
        factor = w.new_ones(self.s.n_post)
        factor[sums] = _factor([padded[row] for row in self.columns[:, sums]], norm)
        w.view(-1)[self.place] = own * factor[self.target]


class Delayed(Indexed):
    """Synapses that one side's spikes reach late; a batch of one.

    Axonal: a spike of step t reaches the synapse in step t + delay - 1 and acts in the next one.
    Dendritic: what a spike adds in step t acts in step t + delay; spikes of the target reach the
    synapse in step t + delay.
    """

    def __init__(self, p: ProjectionPlan) -> None:
        super().__init__(p)
        assert p.sent is not None
        self.sent = p.sent
        self.late = "post" if p.dendritic else "pre"
        s = self.s
        steps = torch.full_like(s.post, s.delay) if s.delays is None else s.delays
        self.steps, self.slowest, self.step = steps.long(), s.delay, 0
        self.lag = self.steps if p.dendritic else self.steps - 1
        if p.dendritic:
            self.columns = _table(self.target, s.n_post, torch.argsort(self.steps, stable=True))

    def reset(self) -> None:
        super().reset()
        self.sent.zero_()
        if self.p.arriving is not None:
            self.p.arriving.zero_()

    def begin(self, seed: int, step: int) -> None:
        self.step = step

    def note(self, pre: Tensor, post: Tensor) -> None:
        slot = self.step % len(self.sent)
        self.sent[slot] = (post if self.p.dendritic else pre)[0]
        if self.p.past is not None:
            traces = self.p.post if self.p.dendritic else self.p.pre
            self.p.past[slot] = torch.cat(traces)

    def deliver(self, spike: Tensor) -> Tensor:
        w, n_post, step = self.p.w[self.place], self.s.n_post, self.step
        if self.p.arriving is None:
            current = w.new_zeros(n_post)
            # terminals stand at the ends of axons of one length
            sent = self.sent[(step - self.slowest) % len(self.sent)]
            scale = self.release(sent[None].to(w.dtype))
            w = w if self.terminals is None else w * scale[0, self.s.pre]
            for delay in range(1, self.slowest + 1):
                sent = self.sent[(step - delay) % len(self.sent)]
                chosen = (sent[self.s.pre] & (self.steps == delay)).nonzero()[:, 0]
                current.index_add_(0, self.target[chosen], w[chosen])
            return current[None]
        scale = self.release(spike)
        w = w if self.terminals is None else w * scale[0, self.s.pre]
        arriving = self.p.arriving
        arriving[(step - 1) % self.slowest] = 0.0
        chosen = spike[0][self.s.pre].nonzero()[:, 0]
        slot = (step - 1 + self.steps[chosen]) % self.slowest
        arriving.view(-1).index_add_(0, slot * n_post + self.target[chosen], w[chosen])
        return arriving[step % self.slowest][None].clone()

    def see(self, at: str, spike: Tensor, own: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        if at != self.late:
            return super().see(at, spike, own)
        slots = len(self.sent)
        if self.s.delays is None:
            lag = self.slowest if self.p.dendritic else self.slowest - 1
            return super().see(at, self.sent[(self.step - lag) % slots][None], own)
        neuron = self.s.pre if at == "pre" else self.target
        slot = (self.step - self.lag) % slots
        past = self.p.past
        seen = [] if past is None else [past[slot, k, neuron][None] for k in range(len(own))]
        dtype = self.p.w.dtype
        return spike.to(dtype), self.sent[slot, neuron][None].to(dtype), seen


def _factor(rows: list[Tensor], norm: Tensor) -> Tensor:
    """norm / sum |row|, the sum in ascending order; a zero sum counts as 1."""
    total = torch.zeros_like(rows[0]) if rows else norm
    for row in rows:
        total = total + row.abs()
    return norm / torch.where(total == 0.0, 1.0, total)


def _table(group: Tensor, n_groups: int, order: Tensor | None = None) -> Tensor:
    """Members of every group in ascending or a given order, [most members, n_groups]; len(group)
    pads."""
    ascending = torch.argsort(group if order is None else group[order], stable=True)
    order = ascending if order is None else order[ascending]
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

    def reset(self) -> None:
        if self.p.rate is not None:
            self.p.rate.zero_()

    def deliver(self, spike: Tensor) -> Tensor:
        rate = self.p.rate
        assert rate is not None
        rate.copy_(rate - rate * rate.new_tensor(self.p.decay) + spike)
        rates = torch.nn.functional.pad(rate, (0, 1), value=-torch.inf)
        spikes = torch.nn.functional.pad(spike, (0, 1))
        best, value = rates[:, self.windows[0]], spikes[:, self.windows[0]]
        for members in self.windows[1:]:
            value = torch.where(rates[:, members] > best, spikes[:, members], value)
            best = maximum(rates[:, members], best)
        return value * self.p.w


def _listed(p: ProjectionPlan) -> Wired:
    return Indexed(p) if p.sent is None else Delayed(p)


KINDS: dict[str, Callable[[ProjectionPlan], Wired]] = {
    "dense": Grid,
    "one_to_one": OneToOne,
    "all_but_one": AllButOne,
    "indexed": _listed,
    "max_pool": Pool,
    "mean_field": MeanField,
}

__all__ = ["KINDS", "Grid", "Wired"]
