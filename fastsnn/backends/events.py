# SPDX-License-Identifier: Apache-2.0
"""Recorded spikes of backends that stay on the device: watched as a tensor, reported as events."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fastsnn.plan import Plan, Record, RunArgs, RunReport


def watch(plan: Plan, args: RunArgs) -> tuple[RunArgs, dict[int, Tensor]]:
    """Record also the spikes that are to be reported: bool [steps, 1, n] of every population."""
    steps = args.n_steps * args.n_samples
    seen = {}
    for k in args.recorded:
        spike = plan.populations[k].spike
        seen[k] = torch.empty((steps, *spike.shape), dtype=torch.bool, device=spike.device)
    more = [Record(plan.populations[k].spike, bits, None, 1, 0, False) for k, bits in seen.items()]
    return replace(args, records=[*args.records, *more]), seen


def report_events(seen: dict[int, Tensor], report: RunReport) -> None:
    """The recorded spikes of the steps that were run."""
    for k, spikes in seen.items():
        whole = spikes[: report.steps, 0]
        ids = whole.nonzero()[:, 1].to("cpu", torch.int32)
        report.events[k] = (whole.sum(1, dtype=torch.int64).cpu(), ids)
