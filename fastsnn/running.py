# SPDX-License-Identifier: Apache-2.0
"""From what a user asks of `Network.run` and `Network.present` to the arguments of a backend.

Everything is checked here, before any state changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fastsnn.errors import FastsnnError, ShapeError, whole_number
from fastsnn.inputs import Retry, Target, as_source
from fastsnn.plan import RunArgs, RunReport
from fastsnn.random import Purpose, stream

if TYPE_CHECKING:
    from fastsnn.network import Network


@dataclass(frozen=True, eq=False)
class Presentation:
    """What `Network.present` returns.

    counts: spikes per population, int32 [S, B, n].   tries: presentations of each sample, [S].
    """

    counts: dict[str, Tensor]
    tries: Tensor


def whole_steps(net: Network, time: float) -> int:
    """Number of steps in `time` ms."""
    try:
        steps = round(float(time) / net.dt)
        fits = steps >= 0 and abs(steps * net.dt - time) <= 1e-6 * max(net.dt, abs(time))
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise FastsnnError(f"time={time!r} ms is no whole number of steps of dt={net.dt} ms.")
    return steps


def named(what: str, given: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Names and values of a mapping."""
    if given is not None and not isinstance(given, Mapping):
        raise FastsnnError(
            f"{what} is a {type(given).__name__}, expected a mapping from names to values, e.g. "
            f"{{'X': ...}}."
        )
    yield from (given or {}).items()


def count_samples(net: Network, inputs: Mapping[str, Any], samples: int | None) -> int:
    """Number of samples: as given, else from the leading dimension of rates."""
    if samples is not None:
        return whole_number(f"present(samples={samples!r})", samples, 1)
    for name, value in named("inputs", inputs):
        data = getattr(value, "rates", getattr(value, "p", None))
        dims = torch.as_tensor(data).dim() if data is not None else 0
        if dims == 3 or (dims == 2 and net.batch_size == 1 and net.find(name).n == data.shape[-1]):
            return whole_number(f"present(samples={len(data)!r})", len(data), 1)
    raise FastsnnError(
        "present(): the inputs do not say how many samples there are; give samples=S."
    )


def bind_inputs(net: Network, args: RunArgs, inputs: Mapping[str, Any] | None) -> None:
    """Check the inputs and put them into one form."""
    for name, value in named("inputs", inputs):
        p = net.find(name)
        target = Target(
            p.name,
            p.n,
            p.is_input,
            args.n_steps,
            args.n_samples,
            net.batch_size,
            net.dt,
            net.device,
            net.step,
            net.seed,
            stream(net.index_of(p), Purpose.INPUT),
            net.dtype,
        )
        args.inputs[net.index_of(p)] = as_source(p.name, value, p.is_input).bind(target)


def bind_forced(
    net: Network, what: str, given: Mapping[str, Any] | None, steps: int, dtype: torch.dtype
) -> dict[int, Tensor]:
    """Check clamp, unclamp or inject_v: [n] or [T, n] per population."""
    out = {}
    for name, value in named(what, given):
        p = net.find(name)
        data = torch.as_tensor(value, device=net.device)
        each = data.shape[:1] == (steps,) and data.shape[1:].numel() == p.n
        if not each and data.numel() != p.n:
            raise ShapeError(
                f"{what} of '{p.name}' is {tuple(data.shape)}, expected {(p.n,)} or {(steps, p.n)}."
            )
        if dtype == torch.bool and bool(((data != 0) & (data != 1)).any()):
            raise ShapeError(f"{what} of '{p.name}' holds other values than 0 and 1.")
        data = data.to(dtype)
        if dtype.is_floating_point and not bool(torch.isfinite(data).all()):
            raise ShapeError(
                f"{what} of '{p.name}' holds NaN or infinity, expected finite numbers."
            )
        if what == "inject_v" and "v" not in p.state:
            raise ShapeError(
                f"inject_v: '{p.name}' ({type(p.model).__name__}) has no membrane potential v."
            )
        out[net.index_of(p)] = data.reshape((steps, p.n) if each else (p.n,)).contiguous()
    return out


def bind_masks(net: Network, masks: Mapping[str, Any] | None) -> dict[int, Tensor]:
    """Check masks: in the shape of the weight of a projection that can learn."""
    out = {}
    for name, value in named("masks", masks):
        if name not in net.projections or not net.projections[name].wiring.learns:
            raise FastsnnError(f"masks: there is no projection '{name}' that can learn.")
        layout = net.projections[name].layout
        shape = layout.w
        mask = torch.as_tensor(value, device=net.device).to(torch.bool)
        if tuple(mask.shape) != shape:
            raise ShapeError(
                f"masks['{name}'] is {tuple(mask.shape)}, expected {shape} ({layout.axes})."
            )
        out[list(net.projections).index(name)] = mask.contiguous()
    return out


def bind_reward(net: Network, reward: float | Tensor | None) -> Tensor | None:
    """Check the reward: [B], or None where nothing learns from it."""
    needs = [
        p
        for outer in net.projections.values()
        for p in (outer, *outer.learners())
        if p.rule and p.rule.rewarded()
    ]
    if reward is None:
        if needs and net.learning:
            raise FastsnnError(
                f"{needs[0]} learns from reward; give reward=... (a number, or [batch])."
            )
        return None
    try:
        values = torch.as_tensor(reward, dtype=net.dtype, device=net.device).reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        values = torch.zeros(0)
    if values.numel() not in (1, net.batch_size) or not bool(torch.isfinite(values).all()):
        raise ShapeError(
            f"reward={reward!r}: expected a finite number, or {net.batch_size} of them (batch)."
        )
    one = [p for p in needs if type(p.rule).one_reward]
    if one and bool((values != values[0]).any()):
        raise ShapeError(
            f"{one[0]}: {type(one[0].rule).__name__} takes one reward for the whole batch."
        )
    return values.expand(net.batch_size).contiguous()


def bind_replay(net: Network, args: RunArgs, replay: Mapping[str, Tensor] | None) -> None:
    """Check recorded draws: winners (integers) or uniform numbers (floats) per population."""
    for name, draws in named("replay", replay):
        p, draws = net.find(name), torch.as_tensor(draws)
        winners = not draws.is_floating_point()
        shape = (args.n_steps, net.batch_size) if winners else (args.n_steps, net.batch_size, p.n)
        if tuple(draws.shape) != shape:
            raise ShapeError(f"replay['{name}'] is {tuple(draws.shape)}, expected {shape}.")
        if winners and bool(((draws < -1) | (draws >= p.n)).any()):
            raise ShapeError(f"replay['{name}'] holds winners outside -1..{p.n - 1}.")
        kind = args.winners if winners else args.uniforms
        dtype = torch.int32 if winners else net.dtype
        kind[net.index_of(p)] = draws.to(net.device, dtype).contiguous()


def bind_counts(net: Network, args: RunArgs, count: Sequence[str], retry: Retry | None) -> None:
    """Make room for the spike counts that are asked for, and for those that a retry needs."""
    if retry is not None:
        if net.batch_size != 1:
            raise FastsnnError(
                f"present(retry=...): needs batch_size 1, the network has {net.batch_size}."
            )
        args.retry = (net.index_of(retry.population), retry)
    for name in (*count, *([retry.population] if retry else [])):
        shape = (args.n_samples, net.batch_size, net.find(name).n)
        args.counts[net.index_of(name)] = torch.zeros(shape, dtype=torch.int32, device=net.device)


def run_args(
    net: Network,
    time: float,
    inputs: Mapping[str, Any] | None = None,
    *,
    clamp: Mapping[str, Any] | None = None,
    unclamp: Mapping[str, Any] | None = None,
    inject_v: Mapping[str, Any] | None = None,
    masks: Mapping[str, Any] | None = None,
    reward: float | Tensor | None = None,
    normalize: bool = True,
    replay: Mapping[str, Tensor] | None = None,
) -> RunArgs:
    """The arguments of `Network.run`, checked."""
    steps = whole_steps(net, time)
    args = RunArgs(n_steps=steps, learning=net.learning, normalize=normalize)
    bind_inputs(net, args, inputs)
    args.clamp = bind_forced(net, "clamp", clamp, steps, torch.bool)
    args.unclamp = bind_forced(net, "unclamp", unclamp, steps, torch.bool)
    args.inject_v = bind_forced(net, "inject_v", inject_v, steps, net.dtype)
    args.masks = bind_masks(net, masks)
    args.reward = bind_reward(net, reward)
    bind_replay(net, args, replay)
    return args


def present_args(
    net: Network,
    inputs: Mapping[str, Any],
    time: float,
    *,
    count: Sequence[str] = (),
    reset: bool = True,
    retry: Retry | None = None,
    reward: float | Tensor | None = None,
    samples: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> RunArgs:
    """The arguments of `Network.present`, checked."""
    steps = whole_steps(net, time)
    samples = count_samples(net, inputs, samples)
    args = RunArgs(n_steps=steps, n_samples=samples, learning=net.learning, reset=reset)
    bind_inputs(net, args, inputs)
    args.reward = bind_reward(net, reward)
    args.progress = progress
    if steps < 1:
        raise FastsnnError(f"present(time={time!r}): expected at least one step of {net.dt} ms.")
    bind_counts(net, args, count, retry)
    if retry and net.monitors:
        raise FastsnnError(
            "present(retry=...) cannot record; remove the monitors, or run sample by sample."
        )
    return args


def presentation(
    net: Network, args: RunArgs, report: RunReport, count: Sequence[str]
) -> Presentation:
    """What `present` returns."""
    counts = {name: args.counts[net.index_of(name)] for name in count}
    return Presentation(counts, torch.tensor(report.tries, dtype=torch.int32))
