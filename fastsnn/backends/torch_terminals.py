# SPDX-License-Identifier: Apache-2.0
"""How the reference moves the terminals of a projection."""

from __future__ import annotations

import torch
from torch import Tensor

from fastsnn.plan import PopulationPlan


class Terminals:
    """Short-term plasticity of a projection."""

    def __init__(self, p: PopulationPlan) -> None:
        self.p = p

    def reset(self) -> None:
        """Back to rest."""
        for tensor, init in zip(self.p.state, self.p.init, strict=True):
            tensor.copy_(init.expand_as(tensor))

    def release(self, spike: Tensor) -> Tensor:
        """Advance by the spikes that arrive, 0 or 1, [B, n]; returns the efficacy [B, n]."""
        p, model = self.p, self.p.model
        names = model.state()
        values = dict(zip(model.step_params(), p.params, strict=True))
        values |= dict(zip(names, p.state, strict=True))
        values |= {"i_syn": spike, "spike": torch.zeros_like(spike, dtype=torch.bool)}
        new = model.step(**{k: values[k] for k in model.functions["step"].arguments})
        for tensor, value in zip(p.state, new, strict=False):
            tensor.copy_(value)
        return p.state[names.index("efficacy")]
