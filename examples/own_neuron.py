# SPDX-License-Identifier: Apache-2.0
"""A neuron model of one's own: an integrate-and-fire neuron that tires."""

from __future__ import annotations

import math

import torch
from common import Gallery, options

from fastsnn import Network, analysis
from fastsnn.models import Neuron, Param, Var
from fastsnn.models.language import exp, where


class TiringLIF(Neuron):
    """Leaky integrate-and-fire with a current a that each spike raises and that opposes the input.

    tau_m dv/dt = -v;  v += i_syn - a;  tau_a da/dt = -a, a += b at a spike.
    """

    tau_m, tau_a = Param(20.0, "ms", gt=0), Param(100.0, "ms", gt=0)
    v_thresh, b = Param(15.0, "mV"), Param(0.2, "mV")
    v, a = Var("mV", init=0.0), Var("mV", init=0.0)

    def constants(p, dt):
        return {"decay_m": exp(-dt / p.tau_m), "decay_a": exp(-dt / p.tau_a)}

    def step(v, a, i_syn, decay_m, decay_a, v_thresh, b):
        v = v * decay_m + i_syn - a
        a = a * decay_a
        spike = v >= v_thresh
        v = where(spike, 0.0, v)
        a = where(spike, a + b, a)
        return v, a, spike


@options
def main(quick: bool, seed: int, backend: str, gallery: Gallery) -> None:
    """Drive neurons by a constant current, with and without tiring, and compare their rates."""
    time = 300.0 if quick else 1000.0
    net = Network(seed=seed, backend=backend)
    net.population("fresh", TiringLIF(b=0.0), 10)
    net.population("tiring", TiringLIF(), 10)
    currents = torch.linspace(0.8, 2.0, 10)  # mV a step
    spikes = {name: net.monitor(name, "spike") for name in net.populations}
    v = net.monitor("tiring", "v", index=[9])
    net.run(time, dict.fromkeys(net.populations, currents))

    counts = {name: monitor.get()[:, 0].sum(0) for name, monitor in spikes.items()}
    # v_k = i (1 - decay^k) / (1 - decay) reaches the threshold after k steps
    decay, i = math.exp(-1.0 / 20.0), float(currents[9])
    interval = math.ceil(math.log(1.0 - 15.0 * (1.0 - decay) / i) / math.log(decay))
    times = spikes["tiring"].get()[:, 0, 9].nonzero().flatten()
    gaps = times.diff()
    gallery.draw(
        "spikes", analysis.plot_spikes, {name: m.get() for name, m in spikes.items()},
        "A dot a spike; the current grows from the bottom to the top of each layer.", dt=net.dt,
    )  # fmt: skip
    gallery.draw(
        "voltage", analysis.plot_voltages, {"tiring": v.get()},
        "The potential of the neuron with the strongest current: its spikes become rarer.",
        lines=True, thresholds={"tiring": 15.0}, dt=net.dt, size=(8.0, 3.0),
    )  # fmt: skip
    numbers = {
        "spikes, fresh": f"{int(counts['fresh'][9])}",
        "spikes expected of it": f"{int(time) // interval}",
        "spikes, tiring": f"{int(counts['tiring'][9])}",
        "interval, first and last": f"{int(gaps[0])} and {int(gaps[-1])} ms",
    }
    gallery.finish("An integrate-and-fire neuron that tires", numbers, net)


if __name__ == "__main__":
    main()
