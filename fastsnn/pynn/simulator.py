# SPDX-License-Identifier: Apache-2.0
"""The one simulation that PyNN describes and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyNN import common

if TYPE_CHECKING:
    from fastsnn.pynn.electrodes import Source
    from fastsnn.pynn.populations import Population
    from fastsnn.pynn.projections import Projection

name = "fastsnn"


class ID(int, common.IDMixin):
    """A cell: its number, and its population as `parent`."""

    def __init__(self, n: int) -> None:
        common.IDMixin.__init__(self)


class State(common.control.BaseState):
    """Time, and everything described since `setup`.

    network: the fastsnn.Network that it was lowered to, None before the first run.
    """

    mpi_rank, num_processes = 0, 1

    def __init__(self) -> None:
        super().__init__()
        self.dt = 0.1
        # ms or "auto"
        self.min_delay: Any = "auto"
        self.max_delay: Any = "auto"
        self.options: dict[str, Any] = {}
        self.clear()

    @property
    def t(self) -> float:
        """Present time, ms."""
        return round(self.step * self.dt, 9)

    def clear(self) -> None:
        """Forget the network."""
        self.recorders: set = set()
        self.id_counter, self.segment_counter = 0, 0
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.sources: list[Source] = []
        self.network: Any = None
        self.running, self.t_start, self.step = False, 0, 0

    def run(self, simtime: float) -> None:
        """Run for some ms more."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop: float) -> None:
        """Run to a time, to the nearest step."""
        from fastsnn.pynn.lowering import advance

        self.running = True
        advance(self, round(tstop / self.dt) - self.step)

    def reset(self) -> None:
        """Go back to time 0 and to the initial values; the network stays."""
        from fastsnn.pynn.lowering import restart

        self.running = False
        self.step, self.t_start = 0, 0
        self.segment_counter += 1
        restart(self)

    @property
    def default_delay(self) -> float:
        """Of synapses that give none, ms: the shortest allowed."""
        return self.dt if self.min_delay == "auto" else self.min_delay

    def get_min_delay(self) -> float:
        """ms; the shortest of all synapses where it was left open."""
        if self.min_delay != "auto":
            return self.min_delay
        return min((p.shortest_delay() for p in self.projections), default=self.dt)


state = State()
