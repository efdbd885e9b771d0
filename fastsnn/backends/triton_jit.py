# SPDX-License-Identifier: Apache-2.0
"""Backend "triton": jitted kernels, several steps captured in one CUDA graph.

On a CPU it runs in Triton's interpreter (TRITON_INTERPRET=1): slow, for tests.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import torch

from fastsnn.kernels.tiling import GPU
from fastsnn.plan import Plan, RunArgs, RunReport

NAME = "triton"
DEVICES = ("cuda", "cpu")
KINDS = ("dense", "one_to_one", "all_but_one", "indexed")
# a tile may end behind the last neuron
_MOST = 2**31 - 1 - GPU.listed
_LANES = 4
_MOST_BATCH = 2047


def interpreted() -> bool:
    """Whether Triton interprets kernels on the CPU."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y")


def usable() -> str | None:
    """None, or why Triton does not work here."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed (pip install triton)."
    if interpreted() and (why := _no_interpreter()):
        return why
    if not interpreted() and not torch.cuda.is_available():
        return (
            "no CUDA device was found. TRITON_INTERPRET=1 runs the kernels on the CPU, slowly, to "
            "test them."
        )
    return None


def _no_interpreter() -> str | None:
    """Interpreters before Triton 3.7 count with arrays in a way that NumPy 2.4 refuses."""
    old = _version("triton") < (3, 7) and _version("numpy") >= (2, 4)
    return "the interpreter of this triton needs numpy<2.4." if old else None


def _version(package: str) -> tuple[int, ...]:
    found = importlib.metadata.version(package).split(".")[:2]
    return tuple(int(part) for part in found)


def supports(plan: Plan) -> str | None:
    """None, or why this plan cannot run on Triton."""
    needed = "cpu" if interpreted() else "cuda"
    if plan.device.type != needed:
        why = "is interpreted and" if interpreted() else "backend"
        return (
            f"the network lives on device '{plan.device}', the triton {why} needs "
            f"device='{needed}'."
        )
    if beyond := plan.beyond(KINDS):
        return beyond
    if plan.batch > _MOST_BATCH:
        return f"batch_size is {plan.batch}, at most {_MOST_BATCH}."
    for p in plan.populations:
        draws = 0 if p.is_input else len(p.model.functions["step"].calls("rand"))
        if draws > _LANES:
            return f"the model {p.model.__name__} draws {draws} numbers a step, at most {_LANES}."
        if p.n * plan.batch > _MOST:
            return f"'{p.name}' has {p.n} neurons times {plan.batch}, at most {_MOST}."
    # not before somebody has seen that triton is installed
    from fastsnn.backends import triton_listed, triton_sparse

    return triton_listed.refusal(plan) or triton_sparse.refusal(plan)


def synapse_bytes(plan: Plan) -> float:
    """Memory of the sparse projections."""
    from fastsnn.backends import triton_sparse

    return triton_sparse.synapse_bytes(plan)


class ReplicaProgram:
    """Plans of one shape, lowered together to Triton: replicas are a dimension of every grid."""

    def __init__(self, plans: Sequence[Plan], threads: int | None = None) -> None:
        from fastsnn.backends.triton_run import Engine

        self.threads = 1
        self._engine: Any = Engine(list(plans))

    def run(self, args: Sequence[RunArgs], reports: Sequence[RunReport]) -> None:
        """Run all samples of all replicas; the state of the plans is changed in place."""
        self._engine.run(args, reports)


class Program:
    """A plan lowered to Triton."""

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan = plan
        self._all = ReplicaProgram([plan], threads)

    @property
    def threads(self) -> int:
        """Threads of the host that work: one."""
        return 1

    def run(self, args: RunArgs, report: RunReport) -> None:
        """Run all samples; the state of the plan is changed in place."""
        self._all.run([args], [report])
