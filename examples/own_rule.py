# SPDX-License-Identifier: Apache-2.0
"""A learning rule of one's own: which inputs fire together?"""

from __future__ import annotations

import torch
from common import Gallery, options

from fastsnn import Dense, Network, Spikes, analysis
from fastsnn.models import LIF, Input, Param, Rule
from fastsnn.models.language import over_batch


class PostOnly(Rule):
    """A postsynaptic spike strengthens inputs that fired lately and weakens all others.

    w += eta * (x_pre - target) * (w_max - w) * post.
    Source: Diehl, Cook 2015, section 2.3, without its exponent.
    """

    needs_bounds = True
    eta, target = Param(1e-2), Param(0.4)

    def learn(w, post, x_pre, w_max, eta, target):
        w = w + eta * over_batch((x_pre - target) * post) * (w_max - w)
        return w


def volleys(n_steps: int, n: int, n_together: int) -> torch.Tensor:
    """Spikes [n_steps, 1, n] of 20 Hz each; the first n_together have theirs in common volleys."""
    spikes = torch.rand(n_steps, 1, n) < 0.02
    volley = torch.rand(n_steps, 1, 1) < 0.02
    spikes[..., :n_together] = volley & (torch.rand(n_steps, 1, n_together) < 0.9)
    return spikes


@options
def main(quick: bool, seed: int, backend: str, gallery: Gallery) -> None:
    """Let one neuron find, among 100 inputs of equal rate, the 20 that fire together."""
    n, n_together = 100, 20
    net = Network(seed=seed, backend=backend)
    net.population("X", Input(), n, traces=True)
    net.population("Y", LIF(v_rest=0.0, v_reset=0.0, v_thresh=12.0, tau_m=10.0), 1, traces=True)
    learnt = net.projection(
        "X", "Y", Dense(torch.full((n, 1), 0.5)), rule=PostOnly(), w_min=0.0, w_max=1.0
    )
    n_steps = 5_000 if quick else 20_000
    weights = net.monitor("X->Y", "w", every=n_steps // 100)
    net.run(n_steps * net.dt, {"X": Spikes(volleys(n_steps, n, n_together))})

    together, alone = learnt.w[:n_together].mean().item(), learnt.w[n_together:].mean().item()
    gallery.draw(
        "weights", analysis.plot_weights, weights.get()[..., 0].T,
        f"The first {n_together} inputs fire together.", heading="Weight of each input over time",
        ticks=("input", f"time, units of {n_steps // 100} ms"),
    )  # fmt: skip
    numbers = {
        "weight, together": f"{together:.3f}",
        "weight, alone": f"{alone:.3f}",
        "rule is event-driven": str(PostOnly.event_driven),
    }
    gallery.finish("One neuron looks for inputs that fire together", numbers, net)


if __name__ == "__main__":
    main()
