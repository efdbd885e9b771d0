# SPDX-License-Identifier: Apache-2.0
"""Networks of `peers_sparse.py` in Brian2's C++ standalone mode; run by an interpreter that has it.

    python peer_brian2.py CASE N MILLISECONDS THREADS SEED FOLDER

writes and compiles a project into FOLDER and prints the seconds that took, as JSON.  FOLDER/main
then makes the network and runs it; FOLDER/results/last_run_info.txt holds the seconds of its loop.
This file stands alone: it may not import fastsnn.
"""

from __future__ import annotations

import json
import sys
import time

import brian2 as b2
from brian2 import ms, mV, nS, pF


def cuba(n: int) -> list:
    """Vogels & Abbott 2005 with currents, as in Brette et al. 2007; 80 synapses a neuron."""
    equations = """
    dv/dt = (g_ex + g_in - (v - E_L)) / tau_m : volt (unless refractory)
    dg_ex/dt = -g_ex / tau_ex : volt
    dg_in/dt = -g_in / tau_in : volt
    """
    names = {"E_L": -49 * mV, "tau_m": 20 * ms, "tau_ex": 5 * ms, "tau_in": 10 * ms}
    cells = b2.NeuronGroup(
        n, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms,
        method="exact", namespace=names,
    )  # fmt: skip
    cells.v = "-60*mV + rand() * 10*mV"
    return _balanced(cells, "g_ex += 1.62*mV", "g_in -= 9*mV")


def coba(n: int) -> list:
    """The same with conductances."""
    equations = """
    dv/dt = (g_L * (E_L - v) + g_ex * (E_ex - v) + g_in * (E_in - v)) / C : volt (unless refractory)
    dg_ex/dt = -g_ex / tau_ex : siemens
    dg_in/dt = -g_in / tau_in : siemens
    """
    names = {"E_L": -60 * mV, "E_ex": 0 * mV, "E_in": -80 * mV, "g_L": 10 * nS, "C": 200 * pF}
    names |= {"tau_ex": 5 * ms, "tau_in": 10 * ms}
    cells = b2.NeuronGroup(
        n, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms,
        method="exponential_euler", namespace=names,
    )  # fmt: skip
    cells.v = "-60*mV + rand() * 10*mV"
    cells.g_ex = "20*nS * rand()"
    cells.g_in = "200*nS * rand()"
    return _balanced(cells, "g_ex += 6*nS", "g_in += 67*nS")


def _balanced(cells: b2.NeuronGroup, excite: str, inhibit: str) -> list:
    n = len(cells)
    parts = [cells]
    groups = ((cells[: 4 * n // 5], excite), (cells[4 * n // 5 :], inhibit))
    for source, effect in groups:
        synapses = b2.Synapses(source, cells, on_pre=effect)
        synapses.connect(p=80.0 / n)
        parts.append(synapses)
    return parts


def balanced(n: int) -> list:
    """Brunel's network: delta synapses, a tenth of the neurons as inputs, g = 5, eta = 2."""
    k_ex, k_in, j = int(0.08 * n), int(0.02 * n), 0.1 * mV * 10_000 / n
    cells = b2.NeuronGroup(
        n, "dv/dt = -v / (20*ms) : volt (unless refractory)", threshold="v > 20*mV",
        reset="v = 10*mV", refractory=2 * ms, method="exact",
    )  # fmt: skip
    cells.v = "rand() * 20*mV"
    parts = [cells]
    for source, k, weight in ((cells[: 4 * n // 5], k_ex, j), (cells[4 * n // 5 :], k_in, -5 * j)):
        synapses = b2.Synapses(
            source, cells, on_pre="v_post += jump", delay=1.5 * ms, namespace={"jump": weight}
        )
        synapses.connect(p=k / len(source))
        parts.append(synapses)
    rate = 2.0 * 20 * mV / (j * k_ex * 20 * ms)
    parts.append(b2.PoissonInput(cells, "v", N=k_ex, rate=rate, weight=j))
    return parts


def stdp(n: int) -> list:
    """Neurons that fire by themselves, joined by plastic synapses, 100 each; all pairs count."""
    cells = b2.NeuronGroup(
        n, """
        dv/dt = (drive + g - v) / (20*ms) : volt (unless refractory)
        dg/dt = -g / (5*ms) : volt
        drive : volt
        """, threshold="v > 20*mV", reset="v = 0*mV", refractory=5 * ms, method="exact",
    )  # fmt: skip
    cells.v = "rand() * 20*mV"
    cells.drive = "(21 + 4*rand()) * mV"
    synapses = b2.Synapses(
        cells, cells, """
        w : 1
        dtrace_a/dt = -trace_a / (20*ms) : 1 (event-driven)
        dtrace_b/dt = -trace_b / (20*ms) : 1 (event-driven)
        """,
        on_pre="""
        g_post += w * 0.1*mV
        trace_a += 0.01
        w = clip(w - 1.05 * trace_b, 0, 1)
        """,
        on_post="""
        trace_b += 0.01
        w = clip(w + trace_a, 0, 1)
        """,
    )  # fmt: skip
    synapses.connect(p=100.0 / n)
    synapses.w = "rand()"
    return [cells, synapses]


CASES = {"cuba": cuba, "coba": coba, "balanced": balanced, "stdp": stdp}


def main(case: str, n: str, milliseconds: str, threads: str, seed: str, folder: str) -> None:
    """Write and compile one project."""
    start = time.perf_counter()
    b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b2.prefs.devices.cpp_standalone.openmp_threads = 0 if threads == "1" else int(threads)
    b2.prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-ffast-math", "-march=native"]
    b2.defaultclock.dt = 0.1 * ms
    b2.seed(int(seed))
    parts = CASES[case](int(n))
    # spikes are counted, not recorded: a counter costs nothing to speak of
    count = b2.SpikeMonitor(parts[0], record=False)
    b2.Network(*parts, count).run(float(milliseconds) * ms)
    b2.device.build(directory=folder, compile=True, run=False)
    json.dump({"compile_s": time.perf_counter() - start, "brian2": b2.__version__}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
