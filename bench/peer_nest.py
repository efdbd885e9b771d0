# SPDX-License-Identifier: Apache-2.0
"""Networks of `peers_sparse.py` in NEST; run by an interpreter that has it.

    python peer_nest.py CASE N MILLISECONDS THREADS

prints seconds of building and of running, and the mean rate, as JSON.  This file stands alone: it
may not import fastsnn.
"""

from __future__ import annotations

import json
import sys
import time

import nest
import numpy as np

SHARED = {"V_th": -50.0, "V_reset": -60.0, "C_m": 200.0, "t_ref": 5.0}
SHARED |= {"tau_syn_ex": 5.0, "tau_syn_in": 10.0}


def vogels_abbott(model: str, numbers: dict, w_ex: float, w_in: float, n: int):
    """80 synapses a neuron, no stimulus but random initial potentials."""
    cells = nest.Create(model, n, params={**SHARED, **numbers})
    cells.V_m = np.random.default_rng(1).uniform(-60.0, -50.0, n)
    excite, inhibit = cells[: 4 * n // 5], cells[4 * n // 5 :]
    rule = {"rule": "pairwise_bernoulli", "p": 80.0 / n}
    for source, weight in ((excite, w_ex), (inhibit, w_in)):
        nest.Connect(source, cells, rule, {"weight": weight, "delay": 0.1})
    return cells


def cuba(n: int):
    """Currents."""
    return vogels_abbott("iaf_psc_exp", {"E_L": -49.0, "tau_m": 20.0}, 16.2, -90.0, n)


def coba(n: int):
    """Conductances."""
    numbers = {"E_L": -60.0, "E_ex": 0.0, "E_in": -80.0, "g_L": 10.0}
    cells = vogels_abbott("iaf_cond_exp", numbers, 6.0, -67.0, n)
    draw = np.random.default_rng(2)
    cells.g_ex, cells.g_in = draw.uniform(0.0, 20.0, n), draw.uniform(0.0, 200.0, n)
    return cells


def balanced(n: int):
    """Brunel's network."""
    k_ex, k_in, j = int(0.08 * n), int(0.02 * n), 0.1 * 10_000 / n
    numbers = {"E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "tau_m": 20.0, "t_ref": 2.0, "C_m": 250.0}
    cells = nest.Create("iaf_psc_delta", n, params=numbers)
    cells.V_m = np.random.default_rng(1).uniform(0.0, 20.0, n)
    parts = ((cells[: 4 * n // 5], k_ex, j), (cells[4 * n // 5 :], k_in, -5.0 * j))
    for source, k, weight in parts:
        rule = {"rule": "pairwise_bernoulli", "p": k / len(source)}
        nest.Connect(source, cells, rule, {"weight": weight, "delay": 1.5})
    drive = nest.Create("poisson_generator", params={"rate": 2.0 * 1000.0 * 20.0 / (j * 20.0)})
    nest.Connect(drive, cells, syn_spec={"weight": j, "delay": 0.1})
    return cells


CASES = {"cuba": cuba, "coba": coba, "balanced": balanced}


def main(case: str, n: str, milliseconds: str, threads: str) -> None:
    """Build, run, tell."""
    nest.set_verbosity("M_ERROR")
    nest.SetKernelStatus({"resolution": 0.1, "local_num_threads": int(threads), "rng_seed": 1})
    start = time.perf_counter()
    cells = CASES[case](int(n))
    count = nest.Create("spike_recorder", params={"record_to": "memory"})
    nest.Connect(cells, count)
    nest.Prepare()
    nest.Run(0.1)
    built = time.perf_counter()
    nest.Run(float(milliseconds) - 0.1)
    ended = time.perf_counter()
    rate = count.n_events / int(n) / (float(milliseconds) / 1000.0)
    print(json.dumps({"build_s": built - start, "run_s": ended - built, "rate_hz": rate}))


if __name__ == "__main__":
    main(*sys.argv[1:])
