# SPDX-License-Identifier: Apache-2.0
"""Listed synapses on the device: which of them run there, and their order by target."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn.plan import Plan, ProjectionPlan


def refusal(plan: Plan) -> str | None:
    """Why the listed synapses of a plan cannot run on the cuda backend, or None."""
    for p in plan.projections:
        if p.kind != "indexed":
            continue
        assert p.synapses is not None
        if plan.batch > 1:
            return (
                f"projection '{p.name}' lists its synapses, which needs batch_size=1 on the cuda "
                f"backend, got {plan.batch}."
            )
        if p.synapses.weight is not None:
            return (
                f"projection '{p.name}' has kernels over a grid, which the cuda backend does not "
                f"run; it runs Sparse(...) and wirings of fastsnn.sparse."
            )
    return None


def columns(p: ProjectionPlan, keep: list[Any]) -> dict[str, int]:
    """Synapses by target, in dendritic delays by target and delay; see csrc/cuda/plan.h."""
    s = p.synapses
    assert s is not None
    if p.rule is None and p.norm is None:
        return {"ptr": 0, "pre": 0, "at": 0, "shift": 0}
    column, n_columns = s.post.long(), s.n_post
    if p.dendritic and s.delays is not None:
        column = column * s.delay + (s.delays - 1)
        n_columns *= s.delay
    at = torch.argsort(column, stable=True)
    ptr = torch.zeros(n_columns + 1, dtype=torch.int64, device=column.device)
    torch.cumsum(torch.bincount(column, minlength=n_columns), 0, out=ptr[1:])
    del column
    pre = torch.searchsorted(s.row_ptr, at, right=True) - 1
    shift = max(1, (s.n_pre - 1).bit_length())
    if s.delays is not None and not p.dendritic:
        pre |= (s.delays[at].long() - 1) << shift
    # modulo 2^32
    pre = torch.where(pre >= 1 << 31, pre - (1 << 32), pre)
    held = [_int32(t) for t in (ptr, pre, at)]
    keep.append(held)
    return {**dict(zip(("ptr", "pre", "at"), map(Tensor.data_ptr, held), strict=True)),
            "shift": shift}  # fmt: skip


def _int32(t: Tensor) -> Tensor:
    return t.to(torch.int32).contiguous()
