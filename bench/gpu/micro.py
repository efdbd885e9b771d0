# SPDX-License-Identifier: Apache-2.0
"""Microbenchmarks: what launches, barriers and memory of the device at hand take, at best."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastsnn.bench.gpu import timing, tools

Row = dict[str, Any]
_HERE = Path(__file__).resolve().parent
_CSRC = _HERE.parents[1] / "csrc"


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """micro.cu, compiled for the GPU at hand, else for the emulation of one."""
    source = str(_HERE / "micro.cu")
    if timing.on_gpu():
        nvcc = tools.nvcc()
        if nvcc is None:
            raise RuntimeError("nvcc is not found: set CUDA_HOME")
        command = [nvcc, "-std=c++20", "-O3", "--fmad=false", f"-arch={tools.arch()}", "-shared",
                   "-cudart=static", "-Xcompiler=-fPIC", "-I", str(_CSRC), source]  # fmt: skip
    else:
        compiler = shutil.which("g++") or shutil.which("c++") or "g++"
        emulation = sorted(map(str, (_CSRC / "cuda" / "emulation").glob("*.cpp")))
        command = [compiler, "-std=c++20", "-O1", "-DFASTSNN_EMULATED", "-shared", "-fPIC", "-I",
                   str(_CSRC), "-x", "c++", source, *emulation]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder, "micro.so"))
        done = subprocess.run([*command, "-o", target], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"micro.cu does not compile: {done.stderr[-2000:]}")
        loaded = ctypes.CDLL(target)
    loaded.micro_error.restype = ctypes.c_char_p
    return loaded


class Micro:
    """The functions of micro.cu on the current stream, and buffers for them."""

    def __init__(self, dry: bool) -> None:
        self.native, self.dry = library(), dry
        self.device = torch.device("cuda" if timing.on_gpu() else "cpu")
        self.gpu = self.device.type == "cuda"
        chip = torch.cuda.get_device_properties(0) if self.gpu else None
        self.sms = chip.multi_processor_count if chip else 2
        self.l2 = getattr(chip, "L2_cache_size", 0) or (50 << 20)

    def call(self, name: str, *args: Any) -> None:
        """Queue it; raises RuntimeError with the words of CUDA."""
        stream = torch.cuda.current_stream().cuda_stream if self.gpu else 0
        given = [self._native(a) for a in (*args, ctypes.c_void_p(stream))]
        if getattr(self.native, name)(*given):
            raise RuntimeError(f"{name}: {self.native.micro_error().decode()}")

    @staticmethod
    def _native(value: Any) -> Any:
        if isinstance(value, Tensor):
            return ctypes.c_void_p(value.data_ptr())
        if value is None:
            return ctypes.c_void_p(None)
        return value

    def size(self, real: int, dry: int) -> int:
        """A number for the device, or one for a dry run."""
        return dry if self.dry else real

    def buffer(self, n_bytes: int) -> Tensor:
        """Memory that is not all zero."""
        return torch.arange(n_bytes // 8, dtype=torch.int64, device=self.device)

    def slope(self, run: Callable[[int], Any], steps: int) -> float:
        """Seconds that one step more takes."""
        short, long = (timing.measure(lambda n=n: run(n)).median for n in (steps, 3 * steps))
        return (long - short) / (2 * steps)


def _row(name: str, value: float, unit: str, **more: Any) -> Row:
    return {"kind": "micro", "name": name, "value": value, "unit": unit, **more}


def copy_bandwidth(m: Micro) -> Iterator[Row]:
    """Bytes read and written a second: of torch, and of a kernel of our own."""
    size = m.size(1 << 30, 1 << 16)
    # taking turns, so that none of it lies in a cache
    sources = [m.buffer(size) for _ in range(3)]
    targets = [torch.empty_like(s) for s in sources]
    turn = iter(range(1 << 30))

    def by_torch() -> None:
        k = next(turn) % 3
        targets[k].copy_(sources[k])

    def by_kernel() -> None:
        k = next(turn) % 3
        m.call("micro_copy", targets[k], sources[k], ctypes.c_longlong(size), 4 * m.sms)

    for by, run in (("torch", by_torch), ("kernel", by_kernel)):
        rate = 2 * size / timing.measure(run, 11).median
        yield _row(f"copy by {by}", rate, "B/s", bytes=size)
    if not torch.equal(targets[0], sources[0]):
        raise RuntimeError("a copy differs from its source")


def read_bandwidth(m: Micro) -> Iterator[Row]:
    """Bytes read a second from footprints that lie in L2 and in device memory."""
    sink = torch.zeros(1, dtype=torch.int64, device=m.device)
    blocks, threads = m.size(4 * m.sms, 2), m.size(512, 32)
    for mib in (1,) if m.dry else (1, 8, 24, 256, 2048):
        held = m.buffer(mib << 20)
        once = 64 * blocks * threads
        rounds = m.size(max(4, (8 << 30) // once), 2)

        def run(held=held, rounds=rounds) -> None:
            size = ctypes.c_longlong(held.nbytes)
            m.call("micro_read", held, size, rounds, blocks, threads, sink)

        rate = once * rounds / timing.measure(run, 5).median
        yield _row(f"read {mib} MiB", rate, "B/s", bytes=held.nbytes)


def launches(m: Micro) -> Iterator[Row]:
    """An empty kernel: launched on a stream, and as a node of a graph."""
    n = m.size(2000, 5)
    times = timing.measure(lambda: m.call("micro_launch", n))
    yield _row("launch on a stream", times.whole / n, "s", host=times.host / n)
    if m.gpu:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            m.call("micro_launch", n)
        yield _row("node of a graph", timing.measure(graph.replay).median / n, "s")


def grid_barriers(m: Micro) -> Iterator[Row]:
    """The barrier of a persistent kernel, alone, and with a word from every block to every one."""
    barrier = torch.zeros(1, dtype=torch.int64, device=m.device)
    threads = m.size(256, 32)
    for blocks in sorted({2, 8, 32, m.sms}) if not m.dry else (2,):
        words = torch.zeros(2 * blocks, dtype=torch.int32, device=m.device)
        sink = torch.zeros(blocks * threads, dtype=torch.int32, device=m.device)
        for name, given in (("barrier", None), ("exchange", words)):

            def run(steps: int, blocks=blocks, given=given, sink=sink) -> None:
                barrier.zero_()
                m.call("micro_grid", barrier, given, blocks, threads, steps, sink)

            seconds = m.slope(run, m.size(4000, 3))
            if given is not None:
                _check_words(sink, blocks, threads, 3 * m.size(4000, 3))
            yield _row(f"grid {name}, {blocks} blocks", seconds, "s", blocks=blocks)


def cluster_barriers(m: Micro) -> Iterator[Row]:
    """The same inside a thread-block cluster."""
    threads = m.size(256, 32)
    for cluster in (2, 4, 8, 16) if not m.dry else (2,):
        if m.native.micro_clusters(cluster, threads) < 1:
            continue
        sink = torch.zeros(cluster * threads, dtype=torch.int32, device=m.device)
        for name, exchange in (("barrier", 0), ("exchange", 1)):

            def run(steps: int, cluster=cluster, exchange=exchange, sink=sink) -> None:
                m.call("micro_cluster", 1, cluster, threads, exchange, steps, sink)

            seconds = m.slope(run, m.size(4000, 3))
            if exchange:
                _check_words(sink, cluster, threads, 3 * m.size(4000, 3))
            yield _row(f"cluster {name}, {cluster} blocks", seconds, "s", blocks=cluster)


def _check_words(sink: Tensor, blocks: int, threads: int, steps: int) -> None:
    """Every word of every step was seen by the thread that reads it: a sum that is known."""
    once = steps * (steps - 1) // 2
    each = torch.zeros(threads, dtype=torch.int64)
    for b in range(blocks):
        each[b % threads] += once
    # sums of 32 bits
    want = (each % (1 << 32)).repeat(blocks)
    if not torch.equal(sink.cpu().to(torch.int64) % (1 << 32), want):
        raise RuntimeError(f"{blocks} blocks did not see each other's words: a barrier is wrong")


def latencies(m: Micro) -> Iterator[Row]:
    """Seconds of a load that the next one waits for."""
    sink = torch.zeros(1, dtype=torch.int32, device=m.device)
    line = 32  # a load each 128 bytes
    for name, size in (("L2", m.l2 // 8), ("device memory", m.size(2 << 30, m.l2 // 4))):
        n = size // (4 * line)
        order = torch.randperm(n, device=m.device)
        chain = torch.zeros(n * line, dtype=torch.int32, device=m.device)
        # one ring through all lines, in random order; that in L2 is walked more than once
        chain[order * line] = (order.roll(-1) * line).to(torch.int32)
        steps = m.size(n if name == "L2" else 20_000, 10)

        def run(steps: int, chain=chain) -> None:
            m.call("micro_chase", chain, steps, sink)

        yield _row(f"latency, {name}", m.slope(run, steps), "s", bytes=size)


def operations(m: Micro) -> Iterator[Row]:
    """Float operations a second, multiplications and adds in turn."""
    sink = torch.zeros(1, device=m.device)
    blocks, threads, steps = m.size(8 * m.sms, 2), m.size(256, 32), m.size(20_000, 4)
    times = timing.measure(lambda: m.call("micro_operations", steps, blocks, threads, sink))
    yield _row("operations", 16.0 * steps * blocks * threads / times.median, "1/s")


ALL = (copy_bandwidth, launches, grid_barriers, cluster_barriers, operations, read_bandwidth,
       latencies)  # fmt: skip
