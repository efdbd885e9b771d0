# SPDX-License-Identifier: Apache-2.0
"""How many blocks of a kernel a multiprocessor holds at once, computed from what they take.

Source: NVIDIA, cuda_occupancy.h of the CUDA toolkit (cudaOccMaxActiveBlocksPerMultiprocessor), with
the numbers of compute capability 9.0 of the CUDA C++ Programming Guide, "Compute Capabilities".
"""

from __future__ import annotations

from dataclasses import dataclass

_WARP = 32


@dataclass(frozen=True)
class Multiprocessor:
    """What one multiprocessor has; registers are of 4 bytes, shared memory is in bytes."""

    warps: int
    blocks: int
    registers: int
    registers_per_thread: int
    registers_step: int  # registers of a warp are a multiple of it
    partitions: int  # each has its part of the registers
    threads_per_block: int
    shared: int
    shared_per_block: int
    shared_reserved: int  # taken by each block besides its own
    shared_step: int


SM_90 = Multiprocessor(
    warps=64,
    blocks=32,
    registers=65536,
    registers_per_thread=255,
    registers_step=256,
    partitions=4,
    threads_per_block=1024,
    shared=228 << 10,
    shared_per_block=227 << 10,
    shared_reserved=1 << 10,
    shared_step=128,
)


def resident_blocks(threads: int, registers: int, shared: int, chip: Multiprocessor = SM_90) -> int:
    """Blocks that a multiprocessor holds at once; 0 where not one fits.

    threads: of a block.   registers: of a thread.   shared: bytes of a block.
    """
    warps = -(-threads // _WARP)
    if threads > chip.threads_per_block or shared > chip.shared_per_block:
        return 0
    return min(
        chip.blocks,
        chip.warps // warps,
        _by_registers(warps, registers, chip),
        chip.shared // (_up(shared, chip.shared_step) + chip.shared_reserved),
    )


def occupancy(threads: int, registers: int, shared: int, chip: Multiprocessor = SM_90) -> float:
    """Warps that are resident at once, of those that a multiprocessor can hold: 0..1."""
    warps = -(-threads // _WARP)
    return resident_blocks(threads, registers, shared, chip) * warps / chip.warps


def _by_registers(warps: int, registers: int, chip: Multiprocessor) -> int:
    if not registers:
        return chip.blocks
    each = _up(registers * _WARP, chip.registers_step)
    # a block is launched only if it would fit with its warps spread evenly over the partitions
    if registers > chip.registers_per_thread or each * _up(warps, chip.partitions) > chip.registers:
        return 0
    return chip.registers // chip.partitions // each * chip.partitions // warps


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
