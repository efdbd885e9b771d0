# SPDX-License-Identifier: Apache-2.0
"""Networks, layers, connections and monitors, under BindsNET's names."""

from fastsnn.bindsnet.network import monitors, nodes, topology
from fastsnn.bindsnet.network.network import Network, load

__all__ = ["Network", "load", "monitors", "nodes", "topology"]
