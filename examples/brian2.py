# SPDX-License-Identifier: Apache-2.0
"""Brian's CUBA and COBA networks from their equations; docs/brian2.md shows both side by side."""

from __future__ import annotations

import torch
from common import Gallery, options

from fastsnn import Network, analysis, from_equations
from fastsnn.sparse.wirings import FixedProbability

SYNAPSES = """
dge/dt = -ge / taue : {unit}
dgi/dt = -gi / taui : {unit}
"""
VALUES = {"taue": "5*ms", "taui": "10*ms", "Vt": "-50*mV", "Vr": "-60*mV"}
SHARED = {
    "threshold": "v > Vt", "reset": "v = Vr", "refractory": "5*ms", "init": {"v": "Vr"},
    "receptors": {"ex": "ge += w", "inh": "gi += w"},
}  # fmt: skip
CUBA = from_equations(
    "dv/dt = (ge + gi - (v - El)) / taum : volt (unless refractory)"
    + SYNAPSES.format(unit="volt"),
    **SHARED, method="exact", namespace={**VALUES, "El": "-49*mV", "taum": "20*ms"}, name="CUBA",
)  # fmt: skip
COBA = from_equations(
    "dv/dt = (gl * (El - v) + ge * (Ee - v) + gi * (Ei - v) + I) / Cm : volt (unless refractory)"
    + SYNAPSES.format(unit="siemens"),
    **SHARED, method="exponential_euler", name="COBA",
    namespace={**VALUES, "El": "-60*mV", "Ee": "0*mV", "Ei": "-80*mV", "gl": "10*nS",
               "Cm": "200*pF", "I": "150*pA"},
)  # fmt: skip


def network(model: type, w_ex: float, w_inh: float, n: int, seed: int, backend: str) -> Network:
    """Vogels and Abbott 2005: four excitatory neurons for each inhibitory one, 80 inputs a cell."""
    net = Network(dt=0.1, seed=seed, backend=backend)
    for name, size in (("E", 4 * n // 5), ("I", n // 5)):
        net.population(name, model(), size).v = -60.0 + 10.0 * torch.rand(size)
    for target in ("E", "I"):
        net.projection("E", target, FixedProbability(80 / n, w=w_ex), receptor="ex")
        net.projection("I", target, FixedProbability(80 / n, w=w_inh), receptor="inh")
    return net


@options
def main(quick: bool, seed: int, backend: str, gallery: Gallery) -> None:
    """Simulate both networks and compare the rates of their neurons."""
    n, time = (1000, 200.0) if quick else (4000, 1000.0)
    numbers = {}
    for name, (model, w_ex, w_inh) in {
        "CUBA": (CUBA, 1.62, -9.0), "COBA": (COBA, 6.0, 67.0)
    }.items():  # fmt: skip
        net = network(model, w_ex, w_inh, n, seed, backend)
        seen = net.monitor("E", "spike", index=range(100))
        spikes = net.record_spikes("E", "I")
        net.run(time)
        fired = sum(len(spikes.ids(p)) for p in ("E", "I"))
        numbers[f"{name}, Hz"] = f"{1000.0 * fired / n / time:.2f}"
        gallery.draw(
            f"spikes-{name}", analysis.plot_spikes, {name: seen.get()},
            "A dot a spike of a hundred excitatory neurons.", dt=net.dt,
        )  # fmt: skip
    gallery.finish("Brian's networks from their equations", numbers, net)


if __name__ == "__main__":
    main()
