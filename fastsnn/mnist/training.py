# SPDX-License-Identifier: Apache-2.0
"""Train the network, chunk by chunk, so that it can be stopped and continued anywhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastsnn import evaluation
from fastsnn.datasets import Images
from fastsnn.mnist.presentation import Progress, build, epoch_order, learn, set_learning_rate
from fastsnn.mnist.readout import LabelRates, predict
from fastsnn.mnist.settings import Settings

# the running accuracy rests on labels from about this many of the latest images
_RECENT_IMAGES = 10_000
# the learning rate falls in steps of so many images
_STAGE = 250


class Trainer:
    """A network under training and how far it is.

    seen:    images shown so far, over all epochs.
    history: (seen, running accuracy), one for each update interval.
    recent:  what the neurons did lately, for the running accuracy.
    epoch:   what the neurons did in this epoch.
    """

    def __init__(self, settings: Settings, images: Images) -> None:
        self.settings, self.images = settings, images
        self.net = build(settings, images.images[0].size, len(images))
        self.seen = 0
        self.history: list[tuple[int, float]] = []
        self.recent = LabelRates(settings.n_neurons)
        self.epoch = LabelRates(settings.n_neurons)
        self._order = (-1, epoch_order(settings, 0, 0))

    @property
    def total(self) -> int:
        """Images to show, over all epochs."""
        return self.settings.n_epochs * len(self.images)

    def step(self, progress: Progress = None) -> None:
        """Show the images of one update interval, or what is left of the epoch.

        Interrupted, it leaves the network between two images: continue from an earlier `state`.
        """
        chunk = self._next_chunk()
        labels = torch.from_numpy(chunk.labels).long()
        counts = self._learn(chunk, progress)
        if self.seen:
            predictions = predict(counts, self.recent.labels(), self.settings.readout)
            accuracy = evaluation.accuracy(predictions, labels)
            self.history.append((self.seen + len(chunk), accuracy))
        if self.seen % len(self.images) == 0:
            self.epoch.clear()
        self.recent.add(counts, labels, keep=max(0.0, 1.0 - len(chunk) / _RECENT_IMAGES))
        self.epoch.add(counts, labels)
        self.seen += len(chunk)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return copies of all tensors, and of all else, that `restore` needs."""
        tensors = {f"net.{name}": t.clone().cpu() for name, t in self.net.state_dict().items()}
        for name, rates in (("recent", self.recent), ("epoch", self.epoch)):
            tensors[f"{name}.sums"] = rates.sums.clone()
            tensors[f"{name}.sizes"] = rates.sizes.clone()
        return tensors, {"seen": self.seen, "history": list(self.history)}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Continue from a `state`."""
        prefix = "net."
        self.net.load_state_dict(
            {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
        )
        for name, rates in (("recent", self.recent), ("epoch", self.epoch)):
            rates.sums.copy_(tensors[f"{name}.sums"])
            rates.sizes.copy_(tensors[f"{name}.sizes"])
        self.seen = info["seen"]
        self.history = [(seen, accuracy) for seen, accuracy in info["history"]]

    def _learn(self, chunk: Images, progress: Progress) -> Tensor:
        """Show a chunk; in parts, where the learning rate changes within it."""
        counts, done, batch = [], 0, self.settings.batch_size
        stage = -(-_STAGE // batch) * batch
        while done < len(chunk):
            epoch, place = divmod(self.seen + done, len(self.images))
            first = epoch * len(self.images) + place // stage * stage
            set_learning_rate(self.net, self.settings, first / self.total)
            part = chunk[done : done + stage - place % stage]
            beyond = progress and (lambda more, done=done: progress(done + more))
            counts.append(learn(self.net, part, self.settings, beyond))
            done += len(part)
        return torch.cat(counts)

    def _next_chunk(self) -> Images:
        epoch, start = divmod(self.seen, len(self.images))
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.settings, epoch, len(self.images)))
        batch = self.settings.batch_size
        interval = -(-self.settings.update_interval // batch) * batch
        return self.images[self._order[1][start : start + interval]]
