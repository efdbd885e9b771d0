# SPDX-License-Identifier: Apache-2.0
"""A small network under BindsNET's names, and input for it."""

from __future__ import annotations

import torch

from fastsnn.bindsnet.learning import PostPre
from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.network.monitors import Monitor
from fastsnn.bindsnet.network.nodes import AdaptiveLIFNodes, Input, LIFNodes
from fastsnn.bindsnet.network.topology import Connection


def spikes(steps, batch, n, p=0.3, seed=1):
    drawn = torch.rand(steps, batch, n, generator=torch.Generator().manual_seed(seed))
    return (drawn < p).to(torch.uint8)


def plastic(batch=1, rule=PostPre, adaptive=False, **kwargs):
    """Input 12 -> 7 neurons that learn and inhibit each other, everything recorded."""
    torch.manual_seed(3)
    net = Network(batch_size=batch)
    net.add_layer(Input(12, traces=True), "X")
    kind = AdaptiveLIFNodes if adaptive else LIFNodes
    net.add_layer(kind(7, traces=True, thresh=-60.0, refrac=1), "Y")
    x, y = net.layers["X"], net.layers["Y"]
    options = {"nu": (1e-3, 1e-2), "wmin": 0.0, "wmax": 2.0, "norm": 12.0, **kwargs}
    w = 2 * torch.rand(12, 7)
    net.add_connection(Connection(x, y, w=w, update_rule=rule, **options), "X", "Y")
    net.add_connection(Connection(y, y, w=-torch.rand(7, 7)), "Y", "Y")
    net.add_monitor(Monitor(y, ["s", "v"]), "Y")
    return net
