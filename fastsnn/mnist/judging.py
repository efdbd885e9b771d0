# SPDX-License-Identifier: Apache-2.0
"""Label the neurons of a trained network on training images, and test it on test images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastsnn import Network, evaluation
from fastsnn.datasets import Images
from fastsnn.mnist.presentation import ask
from fastsnn.mnist.progress import passing
from fastsnn.mnist.readout import N_CLASSES, READOUTS, LabelRates, predict
from fastsnn.mnist.settings import Settings
from fastsnn.mnist.training import Trainer

# without learning, images do not wait for each other
_BATCH = 32
_CHUNK = 40 * _BATCH


@dataclass(frozen=True, eq=False)
class Verdict:
    """How good a trained network is.

    labels:      class of each neuron, -1 for none, [n], and proportions by class [n, 10].
    accuracy:    by readout, the chosen one first; fractions.
    confusion:   test images by class and prediction of the chosen readout, int64 [10, 10].
    images_per_s: of the test.
    """

    labels: tuple[Tensor, Tensor]
    accuracy: dict[str, float]
    confusion: Tensor
    images_per_s: float


def judge(trainer: Trainer, test: Images) -> Verdict:
    """Label the neurons on training images only, then predict the class of the test images."""
    net, settings = trainer.net, trainer.settings
    net.set_batch_size(_BATCH)
    if settings.label_from == "training":
        rates = trainer.epoch
    else:
        rates = _label(net, trainer.images[: settings.n_label], settings)
    return _test(net, test, settings, rates.labels())


def _label(net: Network, images: Images, settings: Settings) -> LabelRates:
    rates = LabelRates(settings.n_neurons)
    with passing("label", len(images)) as bar:
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK]
            counts = ask(net, chunk, settings, bar.beyond(start))
            rates.add(counts, torch.from_numpy(chunk.labels).long())
            bar.update(start + len(chunk))
    return rates


def _test(
    net: Network, images: Images, settings: Settings, labels: tuple[Tensor, Tensor]
) -> Verdict:
    truth = torch.from_numpy(images.labels).long()
    order = sorted(READOUTS, key=lambda name: name != settings.readout)
    predictions = {name: torch.empty_like(truth) for name in order}
    with passing("test", len(images)) as bar:
        for start in range(0, len(images), _CHUNK):
            rows = slice(start, start + _CHUNK)
            chunk = images[rows]
            counts = ask(net, chunk, settings, bar.beyond(start))
            for name in order:
                predictions[name][rows] = predict(counts, labels, name)
            done = start + len(chunk)
            best = predictions[settings.readout][:done]
            bar.update(done, evaluation.accuracy(best, truth[:done]))
    return Verdict(
        labels=labels,
        accuracy={name: evaluation.accuracy(predictions[name], truth) for name in order},
        confusion=evaluation.confusion_matrix(truth, predictions[settings.readout], N_CLASSES),
        images_per_s=bar.rate,
    )
