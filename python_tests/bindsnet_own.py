# SPDX-License-Identifier: Apache-2.0
"""Parts of networks as users of BindsNET write them."""

from __future__ import annotations

import torch

from fastsnn.bindsnet import learning
from fastsnn.bindsnet.network import nodes, topology
from fastsnn.bindsnet.network.monitors import AbstractMonitor


class OwnLIF(nodes.Nodes):
    """A layer as users write them, in the way of BindsNET."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("v", torch.zeros(0))

    def forward(self, x):
        self.v = 0.9 * self.v + x
        self.s = self.v >= 1.5
        self.v = self.v.masked_fill(self.s, 0.0)
        super().forward(x)

    def reset_state_variables(self):
        super().reset_state_variables()
        self.v.zero_()

    def set_batch_size(self, batch_size):
        super().set_batch_size(batch_size)
        self.v = torch.zeros(batch_size, *self.shape)


class Graded(OwnLIF):
    """Shows its voltage for spikes."""

    def forward(self, x):
        self.v = 0.5 * self.v + x
        self.s = self.v.clamp(0.0, 1.0)
        nodes.Nodes.forward(self, x)


class OwnRule(learning.LearningRule):
    """Remembers what it saw a step before, as users' rules do."""

    before = None

    def update(self, **kwargs):
        source, target = self.source, self.target
        if self.before is not None and len(self.before[0]) == len(source.s):
            pre, post = (s.flatten(1).float() for s in self.before)
            change = pre.T @ target.x.flatten(1) - 0.3 * source.x.flatten(1).T @ post
            w = self.connection.weight()
            self.connection.store(w + 0.01 * (change if w.dim() == 2 else change.mean()))
        self.before = (source.s, target.s)
        super().update()


class OwnConnection(topology.AbstractConnection):
    """Two sources a target."""

    def __init__(self, source, target, **kwargs):
        super().__init__(source, target, **kwargs)
        self.w = torch.nn.Parameter(torch.rand(source.n, target.n), requires_grad=False)

    def compute(self, s):
        w = self.w * (torch.arange(len(self.w))[:, None] // 2 % self.target.n
                      == torch.arange(self.target.n))  # fmt: skip
        return (s.float().flatten(1) @ w).view(len(s), *self.target.shape)


class OwnMonitor(AbstractMonitor):
    """Keeps what layers show, without a copy."""

    def __init__(self, network):
        self.network, self.seen = network, []

    def record(self):
        layers = self.network.layers
        self.seen.append([(x.s, x.x, getattr(x, "v", x.s)) for x in layers.values()])

    def reset_state_variables(self):
        pass
