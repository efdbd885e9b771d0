# SPDX-License-Identifier: Apache-2.0
"""The one registry of backends.  Nothing else in the package asks which backend it is.

A backend is a module with `NAME`, `DEVICES`, `usable() -> reason or None` (this machine),
`supports(plan) -> reason or None` (this network) and `Program(plan, threads)` with
`run(args, report)`.  One that runs sparse projections has `synapse_bytes(plan)`, one that runs many
networks at once `ReplicaProgram(plans, threads)`, one that takes `RunArgs.attend` and `chained` has
`STEPWISE`.
"""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Protocol

import torch

from fastsnn import memory
from fastsnn.backends import cuda, native, torch_reference, triton_jit
from fastsnn.errors import BackendError
from fastsnn.plan import Plan, RunArgs, RunReport

# fastest first: the order in which "auto" tries them
REGISTRY: dict[str, ModuleType] = {m.NAME: m for m in (cuda, native, triton_jit, torch_reference)}


class Program(Protocol):
    """A plan lowered to a backend; `run` changes the tensors of the plan in place."""

    threads: int

    def run(self, args: RunArgs, report: RunReport) -> None: ...


class ReplicaProgram(Protocol):
    """Plans of one shape, lowered together; `run` takes lists with one entry per replica.

    Every tensor of plans[r] lies r times its size behind that of plans[0] (`fastsnn.replicas`).
    """

    def run(self, args: list[RunArgs], reports: list[RunReport]) -> None: ...


def usable() -> list[str]:
    """Names of the backends that work on this machine, fastest first."""
    return [name for name, module in REGISTRY.items() if module.usable() is None]


def explain(plan: Plan | None = None) -> dict[str, str]:
    """Each backend's name and "usable", or the reason why it is not (here, or for this plan)."""
    return {name: _obstacle(module, plan) or "usable" for name, module in REGISTRY.items()}


def choose(plan: Plan, name: str = "auto") -> str:
    """Name of the backend that runs this plan.

    Raises BackendError when the name is unknown or that backend cannot run the plan; "auto" takes
    the first that can.
    """
    reasons = {n: _obstacle(m, plan) for n, m in REGISTRY.items()}
    if name == "auto":
        name = next(n for n, reason in reasons.items() if reason is None)
        _say_what_was_passed_over(plan, name, reasons)
    if name not in REGISTRY:
        raise unknown(name)
    if reasons[name] is not None:
        able = ", ".join(n for n, reason in reasons.items() if reason is None)
        raise BackendError(
            f"backend={name!r} cannot run this network: {reasons[name]} Usable for it: {able}."
        )
    return name


def home(name: str) -> str:
    """Type of device on which a backend works by itself; of "auto": the CPU.

    Raises BackendError when the name is unknown.
    """
    if name == "auto":
        return "cpu"
    if name not in REGISTRY:
        raise unknown(name)
    devices = REGISTRY[name].DEVICES
    here = (d for d in devices if d != "cuda" or torch.cuda.is_available())
    return next(here, devices[0])


def device_for(name: str, asked: str | torch.device | None = None) -> torch.device:
    """The device that was asked for, else the home of a backend.

    Raises BackendError when the backend is unknown or there is no such device here.
    """
    own = home(name)
    wanted = own if asked is None else asked
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, TypeError, AssertionError) as error:  # the last: torch without CUDA
        reason = REGISTRY[name].usable() if name != "auto" else None
        why = f"backend '{name}': {reason}" if reason else error
        raise BackendError(f"Network(device={str(wanted)!r}): {why}") from error


def unknown(name: str) -> BackendError:
    """The error that there is no such backend."""
    return BackendError(f"backend={name!r} is unknown, expected auto, {', '.join(REGISTRY)}.")


def fastest(plan: Plan, stepwise: bool = False) -> str | None:
    """Name of the fastest backend for a plan, None where the reference alone runs it.

    stepwise: whether others act within every step (`RunArgs.attend`).
    """
    able = (
        name
        for name, module in REGISTRY.items()
        if _obstacle(module, plan) is None and (not stepwise or is_stepwise(name))
    )
    return next((name for name in able if name != torch_reference.NAME), None)


def is_stepwise(name: str) -> bool:
    """Whether a backend takes `RunArgs.attend` and `chained`."""
    return getattr(REGISTRY[name], "STEPWISE", False)


def lower(plan: Plan, name: str, threads: int | None = None) -> Program:
    """Make the program of a plan on a backend (a name that `choose` returned).

    Raises TooLarge where its synapses do not fit.
    """
    needs = getattr(REGISTRY[name], "synapse_bytes", None)
    if needs and plan.sparse:
        memory.require(f"the sparse projections on backend '{name}'", needs(plan))
    return REGISTRY[name].Program(plan, threads)


def lower_replicas(plans: list[Plan], name: str, threads: int | None = None) -> ReplicaProgram:
    """Make the program of many plans of one shape on a backend that can run them."""
    together = getattr(REGISTRY[name], "ReplicaProgram", None)
    return together(plans, threads) if together else _OneAfterAnother(plans, name, threads)


class _OneAfterAnother:
    """Replicas on a backend that runs one network at a time."""

    def __init__(self, plans: list[Plan], name: str, threads: int | None) -> None:
        self.programs = [lower(plan, name, threads) for plan in plans]

    def run(self, args: list[RunArgs], reports: list[RunReport]) -> None:
        for program, own, report in zip(self.programs, args, reports, strict=True):
            program.run(own, report)
            if report.interrupted:
                return


def _say_what_was_passed_over(plan: Plan, name: str, reasons: dict[str, str | None]) -> None:
    """Warn where a faster backend works here, but not for this network."""
    for other, reason in reasons.items():
        if other == name:
            return
        if REGISTRY[other].usable() is None and plan.device.type in REGISTRY[other].DEVICES:
            warnings.warn(f"running on '{name}': backend '{other}': {reason}", stacklevel=5)


def _obstacle(module: ModuleType, plan: Plan | None) -> str | None:
    return module.usable() or (module.supports(plan) if plan is not None else None)
