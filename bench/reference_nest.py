# SPDX-License-Identifier: Apache-2.0
"""Statistics of shipped networks in NEST; run by an interpreter that has it.

    python reference_nest.py hpc-benchmark --variant full --scale 1 --time 500 --threads 2
    python reference_nest.py brunel --variant AI --time 1000

prints, as JSON, what `fastsnn sim` of the same network is compared with: rates in every 100 ms, CV
and weights of each population.  Written from the published parameters alone: this file may not
import fastsnn.
"""

from __future__ import annotations

import argparse
import json
import math

import nest
import numpy as np

STEP = 100.0  # ms
MULTAPSES = {"rule": "fixed_indegree", "allow_autapses": False, "allow_multapses": True}
BRUNEL = {"AI": (5.0, 2.0), "SR": (3.0, 2.0), "SI-fast": (6.0, 4.0), "SI-slow": (4.5, 0.9)}


def alpha_peak(tau_m: float, tau_syn: float, c_m: float) -> float:
    """Largest potential, mV, after an alpha current with a peak of 1 pA: on a fine grid."""
    t, b = np.linspace(0.0, 10.0 * tau_m, 10_000_001), 1.0 / tau_syn - 1.0 / tau_m
    fast = np.exp(-t / tau_syn)
    v = math.e / (tau_syn * c_m * b) * ((np.exp(-t / tau_m) - fast) / b - t * fast)
    return float(v.max())


def hpc_benchmark(scale: float, variant: str) -> dict:
    """Morrison, Aertsen, Diesmann 2007 with the numbers of NEST's example of that name."""
    fewer = 1.0 if variant == "full" else min(1.0, scale / 10.0)
    root, tau_m, tau_syn = math.sqrt(fewer), 10.0, 0.3258272240372284
    c_m, theta, eta = 250.0, 20.0, 1.685
    w_1 = 0.14 / alpha_peak(tau_m, tau_syn, c_m)
    w = w_1 / root
    numbers = {"E_L": 0.0, "V_reset": 0.0, "V_th": theta, "C_m": c_m, "tau_m": tau_m, "t_ref": 0.5}
    numbers |= {"tau_syn_ex": tau_syn, "tau_syn_in": tau_syn, "tau_minus": 30.0}
    numbers["I_e"] = (1.0 - root) * eta * theta * c_m / tau_m
    parts = {}
    for name, n in (("E", 9000), ("I", 2250)):
        parts[name] = nest.Create("iaf_psc_alpha", round(n * scale), params=numbers)
        parts[name].V_m = nest.random.normal(5.7, 7.2)
    rate = 1000.0 * eta * theta * c_m / (tau_m * w_1 * math.e * tau_syn) * fewer
    drive = nest.Create("poisson_generator", params={"rate": rate})
    # `lambda` multiplies w ** mu: the numbers of the example are for weights in pA
    stdp = {"alpha": 0.0513, "lambda": 0.1 * root ** (0.4 - 1.0), "mu": 0.4, "tau_plus": 15.0}
    nest.SetDefaults("stdp_pl_synapse_hom_hpc", stdp)
    # depression is proportional to w alone
    nest.SetDefaults("stdp_pl_synapse_hom_hpc", {"alpha": 0.0513 * 0.1 / stdp["lambda"]})
    k_e, k_i = round(9000 * fewer), round(2250 * fewer)
    for name, target in parts.items():
        nest.Connect(drive, target, syn_spec={"weight": w, "delay": 1.5})
        excite = {"synapse_model": "static_synapse_hpc", "weight": w, "delay": 1.5}
        if name == "E":
            drawn = nest.math.max(nest.random.normal(w, 3.47 / root), 0.0)
            excite |= {"synapse_model": "stdp_pl_synapse_hom_hpc", "weight": drawn}
        nest.Connect(parts["E"], target, MULTAPSES | {"indegree": k_e}, excite)
        inhibit = {"synapse_model": "static_synapse_hpc", "weight": -5.0 * w, "delay": 1.5}
        nest.Connect(parts["I"], target, MULTAPSES | {"indegree": k_i}, inhibit)
    return parts


def brunel(scale: float, variant: str) -> dict:
    """Brunel 2000, model A, at full size: delta synapses, reset at 10 mV."""
    if scale != 1.0:
        raise SystemExit(f"brunel: scale is {scale}, expected 1.")
    (g, eta), w, delay = BRUNEL[variant], 0.1, 1.5
    numbers = {"E_L": 0.0, "V_reset": 10.0, "V_th": 20.0, "C_m": 250.0, "tau_m": 20.0, "t_ref": 2.0}
    parts = {}
    for name, n in (("E", 10_000), ("I", 2_500)):
        parts[name] = nest.Create("iaf_psc_delta", n, params=numbers)
        parts[name].V_m = nest.random.uniform(0.0, 20.0)
    drive = nest.Create("poisson_generator", params={"rate": eta * 1000.0 * 20.0 / (w * 20.0)})
    for target in parts.values():
        nest.Connect(drive, target, syn_spec={"weight": w, "delay": delay})
        for source, k, weight in (("E", 1000, w), ("I", 250, -g * w)):
            synapse = {"synapse_model": "static_synapse_hpc", "weight": weight, "delay": delay}
            nest.Connect(parts[source], target, MULTAPSES | {"indegree": k}, synapse)
    return parts


NETWORKS = {"hpc-benchmark": hpc_benchmark, "brunel": brunel}


def cv(times: np.ndarray, ids: np.ndarray) -> float:
    """Mean CV of the intervals of neurons with three spikes at least."""
    order = np.lexsort((times, ids))
    times, ids = times[order], ids[order]
    cuts = np.flatnonzero(np.diff(ids)) + 1
    intervals = [np.diff(t) for t in np.split(times, cuts) if len(t) > 2]
    return float(np.mean([i.std() / i.mean() for i in intervals])) if intervals else math.nan


def weights(part) -> list[float]:
    """Mean and sd, pA, of the plastic synapses of 50 neurons."""
    found = nest.GetConnections(target=part[:50], synapse_model="stdp_pl_synapse_hom_hpc")
    w = np.array(found.weight) if len(found) else np.zeros(1)
    return [float(w.mean()), float(w.std()), float((w == 0).mean()), float(w.max())]


def main() -> None:
    """Build, run, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=list(NETWORKS))
    parser.add_argument("--variant")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--time", type=float, default=500.0)
    parser.add_argument("--warm-up", type=float, default=200.0, help="not counted for the CV")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    nest.set_verbosity("M_ERROR")
    kernel = {"resolution": 0.1, "local_num_threads": args.threads, "rng_seed": args.seed}
    nest.SetKernelStatus(kernel)
    parts = NETWORKS[args.network](args.scale, args.variant)
    recorders = {}
    for name, part in parts.items():
        recorders[name] = nest.Create("spike_recorder")
        nest.Connect(part, recorders[name])
    told = {
        "nest": nest.__version__,
        **vars(args),
        "w": [weights(parts["E"])],
        "rates": {},
        "cv": {},
    }
    for _ in range(round(args.time / STEP)):
        nest.Simulate(STEP)
        told["w"].append(weights(parts["E"]))
    edges = np.arange(0.0, args.time + 0.5 * STEP, STEP)
    for name, recorder in recorders.items():
        times, ids = recorder.events["times"], recorder.events["senders"]
        counts, late = np.histogram(times, edges)[0], times > args.warm_up
        told["rates"][name] = (counts / len(parts[name]) / (STEP / 1000.0)).round(3).tolist()
        told["cv"][name] = cv(times[late], ids[late])
    print(json.dumps(told))


if __name__ == "__main__":
    main()
