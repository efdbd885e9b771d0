# SPDX-License-Identifier: Apache-2.0
"""PyNN's PointNeuron: a membrane and receptors of any names; `models.with_receptors` joins them."""

from __future__ import annotations

from typing import ClassVar

from pyNN.parameters import ParameterSpace
from pyNN.standardmodels import build_translations, cells, receptors

from fastsnn import models
from fastsnn.pynn.cells import ADAPTATION, MEMBRANE, MILLI, Cell, V, port


class LIF(cells.LIF):
    __doc__ = cells.LIF.__doc__
    translations = build_translations(*MEMBRANE)
    variables: ClassVar[dict[str, tuple[str, float]]] = V


class AdExp(cells.AdExp):
    __doc__ = cells.AdExp.__doc__
    translations = build_translations(*MEMBRANE, *ADAPTATION)
    variables: ClassVar[dict[str, tuple[str, float]]] = V | {"w": ("w", MILLI)}


class _Response:
    """`kinds`: for each membrane the model whose receptor `ex` is this one."""

    kinds: ClassVar[dict[type, type[models.Neuron]]]
    parameter_space: ParameterSpace
    variables: ClassVar[dict[str, tuple[str, float]]] = {"gsyn": ("g", MILLI)}
    recordable: ClassVar[list[str]] = ["gsyn"]
    scale_factors: ClassVar[dict[str, float]] = {}
    translations = build_translations(("e_syn", "e_rev"), ("tau_syn", "tau_syn"))


class CurrExpPostSynapticResponse(_Response, receptors.CurrExpPostSynapticResponse):
    __doc__ = receptors.CurrExpPostSynapticResponse.__doc__
    kinds: ClassVar[dict[type, type[models.Neuron]]] = {LIF: models.LIFExp, AdExp: models.AdExExp}
    variables: ClassVar[dict[str, tuple[str, float]]] = {"isyn": ("i", MILLI)}
    recordable: ClassVar[list[str]] = ["isyn"]
    translations = build_translations(("tau_syn", "tau_syn"))


class CondExpPostSynapticResponse(_Response, receptors.CondExpPostSynapticResponse):
    __doc__ = receptors.CondExpPostSynapticResponse.__doc__
    kinds: ClassVar[dict[type, type[models.Neuron]]] = {
        LIF: models.LIFCondExp,
        AdExp: models.AdExCondExp,
    }


class CondAlphaPostSynapticResponse(_Response, receptors.CondAlphaPostSynapticResponse):
    __doc__ = receptors.CondAlphaPostSynapticResponse.__doc__
    kinds: ClassVar[dict[type, type[models.Neuron]]] = {
        LIF: models.LIFCondAlpha,
        AdExp: models.AdExCondAlpha,
    }


ExpPSR = CondExpPostSynapticResponse
AlphaPSR = CondAlphaPostSynapticResponse


class PointNeuron(Cell, cells.PointNeuron):
    """A membrane, LIF or AdExp, with receptors by name: PointNeuron(LIF(), AMPA=ExpPSR()).

    Parameters and variables of a receptor are written as "AMPA.tau_syn", "AMPA.gsyn".

    Raises TypeError for components that are none, ModelError for receptors that cannot be mixed.
    """

    def __init__(self, neuron: LIF | AdExp, **post_synaptic_receptors: _Response) -> None:
        for name, psr in post_synaptic_receptors.items():
            if not isinstance(psr, _Response) or type(neuron) not in psr.kinds:
                raise TypeError(
                    f"PointNeuron({type(neuron).__name__}, {name}={type(psr).__name__}): expected "
                    f"LIF or AdExp with CurrExpPostSynapticResponse, ExpPSR, AlphaPSR."
                )
        super().__init__(neuron, **post_synaptic_receptors)
        self.model = models.with_receptors(  # type: ignore[misc]
            {port(name): psr.kinds[type(neuron)] for name, psr in post_synaptic_receptors.items()}
        )
        self.variables = dict(neuron.variables)  # type: ignore[misc]
        self.translations = dict(neuron.translations)
        flat = dict(neuron.parameter_space.items())
        for name, psr in post_synaptic_receptors.items():
            for theirs, (ours, factor) in psr.variables.items():
                self.variables[f"{name}.{theirs}"] = (f"{ours}_{port(name)}", factor)
            for theirs, found in psr.translations.items():
                # a name with a dot cannot be evaluated: a factor makes it a function
                ours = f"{found['translated_name']}_{port(name)}"
                self.translations |= build_translations((f"{name}.{theirs}", ours, 1.0))
                flat[f"{name}.{theirs}"] = psr.parameter_space[theirs]
        self.default_parameters = flat
        self.parameter_space = ParameterSpace(flat, self.get_schema(), component=type(self))

    def get_schema(self) -> dict[str, type]:
        """All parameters are numbers."""
        return dict.fromkeys(self.default_parameters, float)

    def has_parameter(self, name: str) -> bool:  # type: ignore[override]
        """Whether the membrane or a receptor has it."""
        return name in self.default_parameters

    def get_parameter_names(self) -> list[str]:  # type: ignore[override]
        """Those of the membrane and of all receptors."""
        return list(self.default_parameters)

    def reverse_translate(self, native_parameters: ParameterSpace) -> ParameterSpace:
        """From our names and units to PyNN's."""
        numbers, native = {}, dict(native_parameters.items())
        for name, found in self.translations.items():
            if (ours := found["translated_name"]) in native:
                back, given = found["reverse_transform"], native[ours]
                numbers[name] = back(**{ours: given}) if callable(back) else given
        return ParameterSpace(numbers, self.get_schema(), native_parameters.shape)


__all__ = [
    "LIF",
    "AdExp",
    "AlphaPSR",
    "CondAlphaPostSynapticResponse",
    "CondExpPostSynapticResponse",
    "CurrExpPostSynapticResponse",
    "ExpPSR",
    "PointNeuron",
]
