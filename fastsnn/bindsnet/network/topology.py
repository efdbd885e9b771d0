# SPDX-License-Identifier: Apache-2.0
"""Connections between layers, under BindsNET's names."""

from __future__ import annotations

import numpy as np  # scripts take np and torch from here by `import *`
import torch

from fastsnn.bindsnet.network._compartments import (
    AbstractMulticompartmentConnection,
    MulticompartmentConnection,
)
from fastsnn.bindsnet.network._conv import Conv1dConnection, Conv2dConnection, Conv3dConnection
from fastsnn.bindsnet.network._dense import (
    AbstractConnection,
    Connection,
    MeanFieldConnection,
    SparseConnection,
)
from fastsnn.bindsnet.network._local import (
    LocalConnection,
    LocalConnection1D,
    LocalConnection2D,
    LocalConnection3D,
)
from fastsnn.bindsnet.network._pool import (
    MaxPoo3dConnection,
    MaxPool1dConnection,
    MaxPool2dConnection,
)
from fastsnn.bindsnet.network.nodes import CSRMNodes, Nodes
from fastsnn.bindsnet.utils import im2col_indices

__all__ = [
    "AbstractConnection",
    "AbstractMulticompartmentConnection",
    "CSRMNodes",
    "Connection",
    "Conv1dConnection",
    "Conv2dConnection",
    "Conv3dConnection",
    "LocalConnection",
    "LocalConnection1D",
    "LocalConnection2D",
    "LocalConnection3D",
    "MaxPoo3dConnection",
    "MaxPool1dConnection",
    "MaxPool2dConnection",
    "MeanFieldConnection",
    "MulticompartmentConnection",
    "Nodes",
    "SparseConnection",
    "im2col_indices",
    "np",
    "torch",
]
