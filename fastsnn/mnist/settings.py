# SPDX-License-Identifier: Apache-2.0
"""All settings of the MNIST job, each with its default, its meaning and its check, in one place.

The command line is made from this class (`fastsnn.mnist.command`), and a checkpoint holds it.
"""

from __future__ import annotations

import math
import types
import typing
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any

from fastsnn.errors import FastsnnError
from fastsnn.mnist.readout import READOUTS


class SettingsError(FastsnnError):
    """A setting has an impossible value, or differs from that of a checkpoint."""


def _setting(
    default: Any,
    group: str,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    choices: tuple[str, ...] | None = None,
    free: bool = False,
) -> Any:
    """A field with its documentation and bounds; `free`: a resumed run may change it."""
    bounds = {"ge": ge, "gt": gt, "le": le, "choices": choices}
    return field(default=default, metadata={"group": group, "help": help, "free": free, **bounds})


@dataclass(frozen=True)
class Settings:
    """What is trained, how, and how it is judged.  None means: chosen from the rest, see `help`."""

    n_neurons: int = _setting(
        400, "network", "excitatory neurons, and as many inhibitory ones", ge=1
    )
    exc: float = _setting(22.5, "network", "weight from an excitatory to its inhibitory neuron, mV")
    inh: float = _setting(
        250.0,
        "network",
        "weight from an inhibitory to all other excitatory neurons, mV, taken as negative",
        ge=0,
    )
    adapt: str = _setting(
        "winner",
        "network",
        "which neurons raise their threshold when several reach it in one step: the one whose "
        "spike is sent, or all of them, as in BindsNET",
        choices=("winner", "all"),
    )
    theta_plus: float | None = _setting(
        None,
        "network",
        "rise of the threshold by a spike, mV; default: 7.5 times the number of neurons over "
        "that of images shown in training, at most 0.5",
        ge=0,
    )
    tau_theta: float | None = _setting(
        None, "network", "time constant of the threshold's fall, ms; default: it never falls", gt=0
    )
    norm: float = _setting(
        78.4, "network", "sum of the weights of each excitatory neuron, kept after each image", gt=0
    )
    dt: float = _setting(1.0, "network", "time step, ms", gt=0)

    nu_pre: float = _setting(1e-4, "learning", "rate of depression, by an input spike", ge=0)
    nu_post: float = _setting(4e-2, "learning", "rate of potentiation, by an output spike", ge=0)
    nu_end: float = _setting(
        0.25,
        "learning",
        "what is left of both rates at the end of training; they fall evenly",
        ge=0,
    )
    n_train: int | None = _setting(None, "learning", "training images; default: all", ge=1)
    n_epochs: int = _setting(2, "learning", "passes over the training images", ge=1)
    shuffle: bool = _setting(True, "learning", "another order of the images in each epoch")
    batch_size: int = _setting(1, "learning", "images learnt at once", ge=1)
    update_interval: int = _setting(
        250, "learning", "images between two values of the running accuracy", ge=1
    )
    seed: int = _setting(0, "learning", "seed of all random numbers", ge=0, le=2**63 - 1)

    time: float = _setting(350.0, "input", "presentation of an image, ms", gt=0)
    intensity: float = _setting(63.75, "input", "rate of a white pixel, Hz", ge=0)
    gamma: float = _setting(
        1.0, "input", "exponent of the grey value, 0 to 1, before it becomes a rate", gt=0
    )
    retry: bool = _setting(
        False,
        "input",
        "in training too, show an image again, stronger, while it makes too few spikes",
    )
    min_spikes: int = _setting(5, "input", "spikes that are enough for --retry", ge=1)
    boost: float = _setting(
        0.5, "input", "added to the intensity, as a fraction of it, by each retry", ge=0
    )

    n_test: int | None = _setting(None, "evaluation", "test images; default: all", ge=1, free=True)
    n_label: int | None = _setting(
        None, "evaluation", "training images shown for labelling; default: all", ge=1, free=True
    )
    judge_spikes: int = _setting(
        1,
        "evaluation",
        "spikes that an image must make to be judged, without learning; with fewer it is shown "
        "again, stronger by --boost each time",
        ge=0,
        free=True,
    )
    label_from: str = _setting(
        "pass",
        "evaluation",
        "label the neurons by their spikes in a pass over the training images without learning, "
        "or in the last epoch of training (faster)",
        choices=("pass", "training"),
        free=True,
    )
    readout: str = _setting(
        "evidence",
        "evaluation",
        "what counts as the prediction: the class for which all spikes speak most; the class whose "
        "neurons spike most, weighted by how specific they are; or the same without weights",
        choices=tuple(READOUTS),
        free=True,
    )

    backend: str = _setting(
        "auto",
        "machine",
        "what runs the network: auto, or one that `fastsnn info` lists",
        free=True,
    )
    threads: int | None = _setting(
        None,
        "machine",
        "threads; default: as many as pay off; results are the same",
        ge=1,
        free=True,
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            _check(spec, getattr(self, spec.name))
        if self.time < self.dt:
            raise SettingsError(f"--time is {self.time:g} ms, expected at least --dt = {self.dt:g}")
        if self.intensity * self.dt > 1000.0:
            raise SettingsError(
                f"--intensity is {self.intensity:g} Hz, expected at most {1000.0 / self.dt:g}: "
                f"one spike in each step of --dt = {self.dt:g} ms"
            )
        if self.retry and self.batch_size > 1:
            raise SettingsError(
                f"--batch-size is {self.batch_size}, expected 1 with --retry, "
                f"which shows one image again. Leave one of the two out"
            )

    def theta_step(self, n_images: int) -> float:
        """theta_plus, or its default for so many training images, mV.

        The default lets all thresholds together rise alike in any training, long or short.
        """
        if self.theta_plus is not None:
            return self.theta_plus
        return min(0.5, 7.5 * self.n_neurons / (self.n_epochs * n_images))

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return asdict(self)

    def differences(self, other: Settings) -> list[str]:
        """Name the settings that decide the training and differ, with both values."""
        return [
            f"{option_name(spec.name)} is {getattr(other, spec.name)}, "
            f"expected {getattr(self, spec.name)}"
            for spec in fields(self)
            if not spec.metadata["free"] and getattr(self, spec.name) != getattr(other, spec.name)
        ]


def option_name(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")


def value_type(spec: Field) -> type:
    """The type of a setting's values, None aside."""
    hint = typing.get_type_hints(Settings)[spec.name]
    if isinstance(hint, types.UnionType):
        return next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return hint


def _check(spec: Field, value: Any) -> None:
    if value is None and spec.default is None:
        return
    kind, rule = value_type(spec), spec.metadata
    right_type = isinstance(value, (int, float) if kind is float else kind)
    if kind in (int, float):
        right_type = right_type and not isinstance(value, bool) and math.isfinite(value)
    fits = right_type and (
        (rule["ge"] is None or value >= rule["ge"])
        and (rule["gt"] is None or value > rule["gt"])
        and (rule["le"] is None or value <= rule["le"])
        and (rule["choices"] is None or value in rule["choices"])
    )
    if not fits:
        raise SettingsError(f"{option_name(spec.name)} is {value!r}, expected {_expected(spec)}")


def _expected(spec: Field) -> str:
    rule = spec.metadata
    if rule["choices"]:
        return "one of " + ", ".join(rule["choices"])
    kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    words = {"ge": "of at least", "gt": "above", "le": "at most"}
    limits = [f"{words[key]} {rule[key]:g}" for key in words if rule[key] is not None]
    return " ".join([kinds[value_type(spec)], " and ".join(limits)]).rstrip()
