# SPDX-License-Identifier: Apache-2.0
"""The response kernels of CSRM neurons, under BindsNET's names."""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn.models.neurons import response

CSRM_KERNELS = {
    "AlphaKernel": "alpha",
    "AlphaKernelSLAYER": "alpha_slayer",
    "LaplacianKernel": "laplacian",
    "ExponentialKernel": "exponential",
    "RectangularKernel": "rectangular",
    "TriangularKernel": "triangular",
}


class KernelsOfCSRM:
    """Kernels over the layer's windows for a time step dt (ms); the newest step comes first."""

    def AlphaKernel(self, dt: float) -> Tensor:
        """t / tau^2 e^(-t/tau)."""
        return self._response("AlphaKernel", dt)

    def AlphaKernelSLAYER(self, dt: float) -> Tensor:
        """t / tau e^(1-t/tau)."""
        return self._response("AlphaKernelSLAYER", dt)

    def LaplacianKernel(self, dt: float) -> Tensor:
        """e^(-t/tau) / (2 tau)."""
        return self._response("LaplacianKernel", dt)

    def ExponentialKernel(self, dt: float) -> Tensor:
        """e^(-t/tau) / tau."""
        return self._response("ExponentialKernel", dt)

    def RectangularKernel(self, dt: float) -> Tensor:
        """1 / tau for t < tau."""
        return self._response("RectangularKernel", dt)

    def TriangularKernel(self, dt: float) -> Tensor:
        """(1 - t / tau) / tau."""
        return self._response("TriangularKernel", dt)

    def EtaKernel(self, dt: float) -> Tensor:
        """-reset_const e^(-t/tau), over the refractory window."""
        age = torch.arange(self.ref_window_size) * dt
        return -self.reset_const.cpu() * torch.exp(-age / self.tau.cpu())

    def _response(self, name: str, dt: float) -> Tensor:
        age = torch.arange(self.res_window_size) * dt
        return response(CSRM_KERNELS[name], float(self.tau), age)
