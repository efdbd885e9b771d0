# SPDX-License-Identifier: Apache-2.0
"""fastsnn: spiking neural networks with local learning, fused kernels under a thin API."""

from pathlib import Path as _Path

# run from a bare checkout: kernels/, csrc/ and bench/ lie beside the package
_root = _Path(__file__).resolve().parent.parent
if (_root / "csrc" / "module.cpp").exists() and (_root / "kernels").is_dir():
    __path__.append(str(_root))

from fastsnn import models  # noqa: E402
from fastsnn.connectivity import AllButOne, Dense, MeanField, OneToOne  # noqa: E402
from fastsnn.equations import from_equations  # noqa: E402
from fastsnn.errors import BackendError, FastsnnError, ModelError, ShapeError  # noqa: E402
from fastsnn.features import (  # noqa: E402
    Adaptation,
    Bias,
    Degradation,
    Delay,
    Intensity,
    Mask,
    Probability,
)
from fastsnn.injection import NoisyCurrent, SineCurrent, StepCurrent  # noqa: E402
from fastsnn.inputs import Bernoulli, Current, Events, Poisson, Retry, Spikes  # noqa: E402
from fastsnn.monitors import Monitor  # noqa: E402
from fastsnn.network import Network, Presentation  # noqa: E402
from fastsnn.replicas import Replicas  # noqa: E402
from fastsnn.sources import (  # noqa: E402
    GammaProcess,
    InhomogeneousPoisson,
    RefractoryPoisson,
    SpikeTimes,
)
from fastsnn.structured import (  # noqa: E402
    Conv1d,
    Conv2d,
    Conv3d,
    Local1d,
    Local2d,
    Local3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Sparse,
)

__version__ = "0.1.0"

__all__ = [
    "Adaptation",
    "AllButOne",
    "BackendError",
    "Bernoulli",
    "Bias",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Current",
    "Degradation",
    "Delay",
    "Dense",
    "Events",
    "FastsnnError",
    "GammaProcess",
    "InhomogeneousPoisson",
    "Intensity",
    "Local1d",
    "Local2d",
    "Local3d",
    "Mask",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MeanField",
    "ModelError",
    "Monitor",
    "Network",
    "NoisyCurrent",
    "OneToOne",
    "Poisson",
    "Presentation",
    "Probability",
    "RefractoryPoisson",
    "Replicas",
    "Retry",
    "ShapeError",
    "SineCurrent",
    "Sparse",
    "SpikeTimes",
    "Spikes",
    "StepCurrent",
    "__version__",
    "from_equations",
    "models",
]
