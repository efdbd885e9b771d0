# SPDX-License-Identifier: Apache-2.0
"""What a network takes of memory, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fastsnn
from fastsnn import memory
from fastsnn.sparse import FixedInDegree, FixedOutDegree

PROGRAM = """
import torch
from fastsnn import Poisson
from fastsnn.mnist.network import diehl_and_cook

def high_water():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(l for l in lines if l.startswith("VmHWM")).split()[1])

def show(n, backend):
    rates = 63.75 * (torch.rand(3, 1, 784) < 0.2)
    diehl_and_cook(n, backend=backend).present({"X": Poisson(rates)}, time=350.0, count=["Ae"])

show(100, "cpu")
before = high_water()
show(6400, "cpu")
print((high_water() - before) / (784 * 6400 * 4))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_network_of_6400_neurons_takes_less_than_four_times_its_weights(backend):
    if backend != "cpu":
        pytest.skip("the reference is not meant to be small")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 4.0


def test_a_network_that_does_not_fit_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 200 << 20)
    net = fastsnn.Network()
    net.population("a", fastsnn.models.LIF(), 20_000)
    with pytest.raises(memory.TooLarge, match=r"'a->a': needs 1\.49 GiB, 200\.0 MiB are available"):
        net.projection("a", "a", fastsnn.Dense())
    with pytest.raises(memory.TooLarge, match=r"with those before it: needs .* GiB"):
        net.projection("a", "a", FixedInDegree(5000), name="many")
    assert not net.projections
    assert not net.sparse
    net.projection("a", "a", FixedInDegree(1000), name="some")
    with pytest.raises(memory.TooLarge, match="with those before it"):
        net.projection("a", "a", FixedInDegree(2000), name="more")
    net = fastsnn.Network(backend="torch")
    net.population("a", fastsnn.models.LIF(), 20_000)
    net.projection("a", "a", FixedInDegree(1000))
    with pytest.raises(memory.TooLarge, match="on backend 'torch': needs"):
        net.run(1.0)


def test_a_procedural_network_needs_no_memory_for_its_synapses(monkeypatch):
    net = fastsnn.Network(backend="cpu")
    net.population("a", fastsnn.models.LIF(), 2_000)
    net.projection("a", "a", FixedOutDegree(1000, procedural=True))
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    net.run(2.0)
