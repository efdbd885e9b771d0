# SPDX-License-Identifier: Apache-2.0
"""The whole job: load images, train or continue, label, test."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from fastsnn.datasets import Images, load_mnist
from fastsnn.mnist import checkpoint as checkpoint_file
from fastsnn.mnist.checkpoint import CheckpointError
from fastsnn.mnist.judging import Verdict, judge
from fastsnn.mnist.progress import passing
from fastsnn.mnist.settings import Settings, SettingsError
from fastsnn.mnist.training import Trainer


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gives: the trained network, how good it is, how fast it was.

    images_per_s: of training, in this process; None when nothing was left to train.
    """

    trainer: Trainer
    verdict: Verdict
    test: Images
    images_per_s: float | None


class Interrupted(KeyboardInterrupt):
    """The run was stopped; args[0] says how far it came and how to go on."""


class Keeper:
    """Writes the state of a run to its checkpoint, every `interval` images."""

    def __init__(self, path: Path | None, interval: int, images: Images, data: Path | None) -> None:
        self.path, self.interval, self.data = path, interval, data
        self._checksum = images.checksum() if path is not None else None
        self._written = 0
        self._latest: tuple[dict[str, Tensor], dict[str, Any]] | None = None

    def resume(self, trainer: Trainer) -> None:
        """Bring a trainer to where the checkpoint is, after checking that it is the same run."""
        tensors, info = checkpoint_file.read(self.path)
        saved = settings_of(self.path, info)
        if differing := saved.differences(trainer.settings):
            raise SettingsError(
                f"{self.path} was made with other settings: {'; '.join(differing)}. "
                f"Leave these options out, or start a new --checkpoint"
            )
        if info["images"] != self._checksum:
            raise CheckpointError(
                f"{self.path} was made with other training images, expected those of "
                f"{'--data ' + info['data'] if info['data'] else 'the embedded set (no --data)'}"
            )
        trainer.restore(tensors, info)
        self._written = trainer.seen

    def note(self, trainer: Trainer) -> None:
        """Remember the state after a step, and write it when it is time."""
        if self.path is None:
            return
        tensors, info = trainer.state()
        info |= {
            "settings": trainer.settings.as_dict(),
            "images": self._checksum,
            "data": str(self.data.resolve()) if self.data else None,
        }
        self._latest = tensors, info
        if trainer.seen - self._written >= self.interval or trainer.seen == trainer.total:
            self.flush()

    def flush(self) -> int:
        """Write the latest state, if it is not yet; returns the images it has seen."""
        if self.path is not None and self._latest is not None:
            checkpoint_file.write(self.path, *self._latest)
            self._written = self._latest[1]["seen"]
            self._latest = None
        return self._written


def settings_of(path: Path, info: dict[str, Any]) -> Settings:
    """The settings in a checkpoint."""
    names, known = set(info["settings"]), {spec.name for spec in fields(Settings)}
    if names != known:
        raise CheckpointError(
            f"{path}: fastsnn {info['version']} wrote it, whose settings were others "
            f"({', '.join(sorted(names ^ known))}). Use that version, or start a new --checkpoint"
        )
    return Settings(**info["settings"])


def run(
    settings: Settings,
    data: str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_interval: int = 5000,
    resume: bool = False,
    train: bool = True,
) -> Result:
    """Train the network of the settings on MNIST, label its neurons, and test it.

    data:       folder of idx files; None: the embedded images.
    checkpoint: file that is written every checkpoint_interval images and at the end.
    resume:     continue from the checkpoint, if it is there; ends with the same bits.
    train:      False: test the network of the checkpoint as it is.

    Raises Interrupted on Ctrl-C, after writing the checkpoint.
    """
    data, path = (Path(p) if p is not None else None for p in (data, checkpoint))
    images = _first(load_mnist(data, train=True), settings.n_train, "--n-train", "training")
    test = _first(load_mnist(data, train=False), settings.n_test, "--n-test", "test")
    trainer = Trainer(settings, images)
    keeper = Keeper(path, checkpoint_interval, images, data)
    _prepare(keeper, trainer, resume, train)
    try:
        speed = _train(trainer, keeper) if train and trainer.seen < trainer.total else None
        return Result(trainer, judge(trainer, test), test, speed)
    except KeyboardInterrupt:
        raise Interrupted(_how_to_go_on(keeper, trainer)) from None


def _prepare(keeper: Keeper, trainer: Trainer, resume: bool, train: bool) -> None:
    path = keeper.path
    if path is None:
        if resume or not train:
            raise SettingsError(
                f"{'--resume' if resume else '--test'} is given without --checkpoint, "
                f"expected the file of the run. Add --checkpoint FILE"
            )
        return
    if not path.parent.is_dir():
        raise SettingsError(f"--checkpoint is {path}, expected a file in a folder that exists")
    if path.exists() and (resume or not train):
        keeper.resume(trainer)
    elif path.exists():
        raise SettingsError(
            f"--checkpoint is {path}, which exists. "
            f"Add --resume to continue it, or delete it to start again"
        )
    elif not train:
        raise SettingsError(
            f"--checkpoint is {path}, which is not there, expected a trained network"
        )


def _train(trainer: Trainer, keeper: Keeper) -> float:
    with passing("train", trainer.total, trainer.seen) as bar:
        while trainer.seen < trainer.total:
            trainer.step(bar.beyond(trainer.seen))
            bar.update(trainer.seen, trainer.history[-1][1] if trainer.history else None)
            keeper.note(trainer)
    return bar.rate


def _how_to_go_on(keeper: Keeper, trainer: Trainer) -> str:
    if keeper.path is None:
        return "Interrupted. Nothing is kept: there was no --checkpoint FILE."
    seen = keeper.flush()
    if not keeper.path.exists():
        return "Interrupted before the first images were learnt. Start again."
    return (
        f"Interrupted. {keeper.path} holds the network after "
        f"{seen:,} of {trainer.total:,} images.\n"
        f"Go on with: fastsnn mnist --checkpoint {keeper.path} --resume"
    )


def _first(images: Images, n: int | None, option: str, kind: str) -> Images:
    if n is not None and n > len(images):
        raise SettingsError(
            f"{option} is {n}, expected at most {len(images)}: there are no more {kind} images. "
            f"--data DIR or --download gives all 60,000 and 10,000"
        )
    return images[:n]
