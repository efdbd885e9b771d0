# SPDX-License-Identifier: Apache-2.0
"""Set-up, running and the procedural functions of PyNN."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.connectors import FixedProbabilityConnector
from pyNN.recording import get_io

from fastsnn.errors import REAL_TYPES
from fastsnn.pynn import simulator
from fastsnn.pynn.populations import Population
from fastsnn.pynn.projections import Projection
from fastsnn.pynn.synapses import StaticSynapse

_OURS = ("seed", "backend", "threads", "dtype")


def setup(
    timestep: float = DEFAULT_TIMESTEP,
    min_delay: float | str = DEFAULT_MIN_DELAY,
    **extra_params: Any,
) -> int:
    """Begin a new network; one described before is forgotten.

    timestep, min_delay, max_delay: ms.  Ours: seed, of all native random numbers (default 1);
    backend, threads and dtype (also "float32", "float64") of `fastsnn.Network`.  Parameters of
    other simulators are let pass; spikes lie on the grid of time steps, whatever spike_precision
    says.
    """
    common.setup(timestep, min_delay, **extra_params)
    if extra_params.get("spike_precision", "on_grid") != "on_grid":
        warnings.warn(
            f"setup(spike_precision={extra_params['spike_precision']!r}): fastsnn has spikes on "
            f"the grid of {timestep} ms only.",
            stacklevel=2,
        )
    state = simulator.state
    state.clear()
    state.write_on_end = []
    state.dt, state.min_delay = timestep, min_delay
    state.max_delay = extra_params.get("max_delay", DEFAULT_MAX_DELAY)
    state.options = {"seed": 1} | {k: v for k, v in extra_params.items() if k in _OURS}
    if "dtype" in state.options:
        state.options["dtype"] = _dtype(state.options["dtype"])
    return 0


def _dtype(given: Any) -> torch.dtype:
    known = {str(t).removeprefix("torch."): t for t in REAL_TYPES}
    found = known.get(given, given) if isinstance(given, str) else given
    if found not in REAL_TYPES:
        raise ValueError(f"setup(dtype={given!r}): expected {' or '.join(known)}.")
    return found


def end(compatible_output: bool = True) -> None:
    """Write the files that `record` was given; recorded data can still be read."""
    for population, variables, filename in simulator.state.write_on_end:
        population.write_data(get_io(filename), variables)
    simulator.state.write_on_end = []


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
initialize = common.initialize
set = common.set
(
    get_current_time,
    get_time_step,
    _get_min_delay,
    get_max_delay,
    num_processes,
    rank,
) = common.build_state_queries(simulator)


def get_min_delay() -> float:
    """The shortest delay, ms."""
    return simulator.state.get_min_delay()


create = common.build_create(Population)
connect = common.build_connect(Projection, FixedProbabilityConnector, StaticSynapse)
record = common.build_record(simulator)


def record_v(source: Any, filename: str) -> Any:
    """Record membrane potentials to a file."""
    return record(["v"], source, filename)


def record_gsyn(source: Any, filename: str) -> Any:
    """Record synaptic conductances to a file."""
    return record(["gsyn_exc", "gsyn_inh"], source, filename)
