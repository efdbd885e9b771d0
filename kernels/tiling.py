# SPDX-License-Identifier: Apache-2.0
"""Block sizes: the only place with numbers that depend on the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tiling:
    """How the work of a network is cut.

    neurons:  neurons of a program that advances or learns; a power of two.
    wide:     the same where there are so many that one program more or less is nothing.
    rows:     weight rows that a program learns at once.
    unroll:   weight rows whose loads are in flight together while spikes are delivered.
    summed:   the same while columns are summed.
    listed:   neurons that a program lists at once.
    steps:    steps in one graph.
    warps:    warps of a program; a thread has a neuron of its own at least.
    synapses: synapses of a row that a program sends a spike to at once.
    sending:  programs that send spikes, about.
    """

    neurons: int = 64
    wide: int = 1024
    rows: int = 16
    unroll: int = 8
    summed: int = 16
    listed: int = 4096
    steps: int = 32
    warps: int = 2
    list_warps: int = 8
    synapses: int = 256
    send_warps: int = 4
    sending: int = 1056

    def __post_init__(self) -> None:
        # else several threads would hold one neuron, and some read what others have written
        assert min(self.neurons, self.wide // 2) >= 32 * self.warps

    def tile(self, n: int) -> tuple[int, int]:
        """Neurons of a program in a population of n, and its warps."""
        many = n >= 256 * self.wide
        return (self.wide, 2 * self.warps) if many else (self.neurons, self.warps)

    def senders(self, tiles: int) -> int:
        """Programs that send the spikes of a step to each of some tiles of synapses."""
        return -(-self.sending // tiles)

    def list_block(self, n: int) -> int:
        """Neurons that a program lists at once in a population of n."""
        return min(self.listed, max(32, 1 << (n - 1).bit_length()))


GPU = Tiling()
# the interpreter pays for operations, not for the width of what they work on
INTERPRETER = Tiling(
    neurons=256, wide=256, rows=256, unroll=1, summed=1, listed=1024, synapses=1024, sending=1
)
