# SPDX-License-Identifier: Apache-2.0
"""Learning of the reference: a rule's own function on all synapses of a projection at once."""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn.backends.torch_synapses import Grid
from fastsnn.models.declare import Rule
from fastsnn.models.language import reducing, where
from fastsnn.plan import Plan, ProjectionPlan, RunArgs


def learn(wired: Grid, plan: Plan, args: RunArgs, step: int) -> None:
    """The rule, weight decay, bounds, mask."""
    p, old = wired.p, wired.p.w.clone()
    source, target = (plan.populations[k] for k in (p.source, p.target))
    wired.note(source.spike, target.spike)
    if args.learning:
        if p.rule is not None:
            _apply_rule(wired, plan, args)
        if p.weight_decay:
            p.w.mul_(p.w.new_tensor(1.0 - p.weight_decay))
        if p.rule is not None:
            _clip(p)
        if p.every and (step + 1) % p.every == 0:
            _consolidate(wired, args)
            _clip(p)
    if p.index in args.masks:
        p.w.masked_fill_(args.masks[p.index], 0.0)
    if p.changed is not None:
        p.changed.logical_or_(wired.changed(p.w != old))


def _consolidate(wired: Grid, args: RunArgs) -> None:
    p, rule = wired.p, wired.p.rule
    assert rule is not None
    reward = args.reward
    values = {
        **dict(zip(rule.learn_params(), p.params, strict=False)),
        **dict(zip(("w", *rule.own("synapse")), (p.w, *p.synapse), strict=True)),
        "reward": p.w.new_ones(()) if reward is None else reward[0],
    }
    arguments = rule.functions["consolidate"].arguments
    new = rule.consolidate(**{k: values[k] for k in arguments})
    for tensor, value in zip(
        (p.w, *p.synapse), new if isinstance(new, tuple) else (new,), strict=True
    ):
        tensor.copy_(value)


def _apply_rule(wired: Grid, plan: Plan, args: RunArgs) -> None:
    p, rule = wired.p, wired.p.rule
    assert rule is not None
    source, target = (plan.populations[k] for k in (p.source, p.target))
    numbers = dict(zip(rule.learn_params(), p.params, strict=False))
    reward = args.reward
    if reward is None:
        reward = p.w.new_ones(plan.batch)
    values = {
        "w": wired.read(p.w),
        "reward": reward[0] if rule.one_reward else wired.each(reward),
        **dict(zip(rule.own("synapse"), map(wired.read, p.synapse), strict=True)),
        **numbers,
    }
    moving = []
    for at, spike, last, tensors, to in (
        ("pre", source.spike, p.last_pre, p.pre, wired.pre),
        ("post", target.spike, p.last_post, p.post, wired.post),
    ):
        own = rule.own(at)
        foreign = len(tensors) - len(own)
        traces = dict(zip(own, tensors[foreign:], strict=True))
        moves, seen, late = wired.see(at, spike if last is None else last, [*traces.values()])
        moving.append((at, moves if last is None else spike.to(p.w.dtype), traces))
        known = [*map(to, tensors[:foreign]), *late]
        values |= {at: seen, **dict(zip(rule.side(at), known, strict=True))}
    with reducing(p.reduction, wired.share):
        learnt = rule.learn(**{k: values[k] for k in rule.functions["learn"].arguments})
    for tensor, new in zip(
        (p.w, *p.synapse), learnt if isinstance(learnt, tuple) else (learnt,), strict=True
    ):
        wired.write(tensor, new)
    for at, spike, traces in moving:
        _advance_traces(rule, at, spike, traces, numbers)
    for last, spike in ((p.last_pre, source.spike), (p.last_post, target.spike)):
        if last is not None:
            last.copy_(spike)


def _advance_traces(
    rule: type[Rule], at: str, spike: Tensor, traces: dict[str, Tensor], numbers: dict[str, Tensor]
) -> None:
    """Advance the rule's own traces of one side by its spikes."""
    if not traces:
        return
    advance = getattr(rule, f"advance_{at}")
    known = {**traces, **numbers, at: spike}
    moved = advance(**{k: known[k] for k in rule.functions[f"advance_{at}"].arguments})
    for trace, new in zip(
        traces.values(), moved if isinstance(moved, tuple) else (moved,), strict=True
    ):
        trace.copy_(new)


def _clip(p: ProjectionPlan) -> None:
    if p.bounded:
        low, high = (b if b.numel() == 1 else b.reshape(p.w.shape) for b in (p.w_min, p.w_max))
        p.w.copy_(where(p.w > low, p.w, low))
        p.w.copy_(where(p.w < high, p.w, high))


def normalize(wired: Grid) -> None:
    """Scale what changed so that the absolute values of each sum are `norm`."""
    p = wired.p
    assert p.changed is not None
    norm = torch.tensor(float(p.norm or 0.0), dtype=p.w.dtype)
    wired.normalize(p.changed.nonzero()[:, 0], norm)
    p.changed.zero_()
