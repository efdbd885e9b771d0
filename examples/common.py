# SPDX-License-Identifier: Apache-2.0
"""What the examples share: options, digits, pictures, the last words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from fastsnn import FastsnnError, Network, Poisson, evaluation
from fastsnn.analysis import EventWriter, Report, View
from fastsnn.datasets import DataError, balanced_subset, load_mnist
from fastsnn.pipelines import passing

WHITE = 63.75  # Hz of a white pixel


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make a command of a function (quick, seed, backend, gallery, ...)."""

    @wraps(command)
    def run(plot: str | None, report: str | None, log: str | None, seed: int, **rest: Any) -> Any:
        torch.manual_seed(seed)
        try:
            return command(seed=seed, gallery=Gallery(plot, report, log), **rest)
        except (FastsnnError, DataError, FileNotFoundError, ImportError) as error:
            raise click.ClickException(str(error)) from error

    for option in (
        click.option("--report", metavar="DIR", help="Write a report with pictures, index.html."),
        click.option("--log", metavar="DIR", help="Log for TensorBoard, which need not be there."),
        click.option("--plot", metavar="DIR|live", help="Save pictures, or show them live."),
        click.option("--backend", default="auto", show_default=True, help="What computes."),
        click.option("--seed", default=0, show_default=True, help="Of all random numbers."),
        click.option("--quick", is_flag=True, help="A tiny configuration, to try it."),
    ):
        run = option(run)
    return click.command(help=command.__doc__)(run)


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data, a folder with all of MNIST."""
    text = "Folder with MNIST's idx files; default: the 6,000 images in the package."
    return click.option("--data", metavar="DIR", help=text)(command)


@dataclass
class Digits:
    """images [n, 784] grey values 0..1, labels [n]."""

    images: Tensor
    labels: Tensor

    def rates(self, white: float = WHITE) -> Tensor:
        """Hz, [n, 784]."""
        return white * self.images


def digits(folder: str | None, train: bool, per_class: int | None = None) -> Digits:
    """Digits of MNIST in random order; per_class: so many of each class, None: all."""
    images = load_mnist(folder, train)
    if per_class is not None:
        images = balanced_subset(images, per_class)
    order = torch.randperm(len(images))
    grey = torch.from_numpy(images.images).flatten(1).float() / 255.0
    return Digits(grey[order], torch.from_numpy(images.labels).long()[order])


def show(
    net: Network,
    rates: Tensor,
    time: float,
    count: str,
    title: str,
    after: Callable[[int, Tensor], None] = lambda seen, counts: None,
) -> Tensor:
    """Show rates [n, n_inputs] to population X under a bar; spike counts [n, neurons] of `count`.

    after: is told, every 250 images, how many were seen and the counts of the last ones.
    """
    counts: list[Tensor] = []
    for part in passing(rates.to(net.device).split(250), title, "x 250 images"):
        shown = net.present({"X": Poisson(part[:, None])}, time, count=[count])
        counts.append(shown.counts[count][:, 0].cpu())
        after(sum(map(len, counts)), counts[-1])
    return torch.cat(counts)


def recognise(
    counts: Tensor, labels: Tensor, test_counts: Tensor, test_labels: Tensor
) -> tuple[float, Tensor]:
    """Label neurons by training images; accuracy (0..1) on test images, and the assignments."""
    assignments, proportions, _ = evaluation.assign_labels(counts, labels, 10)
    guess = evaluation.weighted_evidence(test_counts, proportions)
    return evaluation.accuracy(guess, test_labels), assignments


class Gallery:
    """The pictures of an example: none, in windows, as files, in a report, in TensorBoard."""

    def __init__(self, plot: str | None, report: str | None, log: str | None = None) -> None:
        self.live = plot == "live"
        self.folder = None if self.live or plot is None else Path(plot)
        self.report = report
        self.log = None if log is None else EventWriter(log)
        self.drawn: dict[str, int] = {}
        self.views: dict[str, View] = {}
        self.captions: dict[str, str] = {}

    def __bool__(self) -> bool:
        return self.live or any(x is not None for x in (self.folder, self.report, self.log))

    def draw(
        self, name: str, plot: Callable[..., View], data: Any, caption: str, **more: Any
    ) -> None:
        """Draw with a function of fastsnn.analysis; a name drawn before is drawn again in place."""
        if not self:
            return
        more["view"] = self.views.get(name)
        if self.live and more["view"] is None:
            import matplotlib.pyplot as plt

            plt.ion()
            more["figure"] = plt.figure(name, figsize=more.get("size"))
        self.views[name] = plot(data, **more)
        self.captions[name] = caption
        self.views[name].show()
        self.drawn[name] = self.drawn.get(name, 0) + 1
        if self.log is not None:
            self.log.add_figure(name, self.views[name].figure, self.drawn[name])

    def finish(self, headline: str, numbers: dict[str, str], net: Network) -> None:
        """Print what came out; write the pictures and the report that were asked for."""
        click.echo(headline)
        for name, value in numbers.items():
            click.echo(f"  {name}: {value}")
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, view in self.views.items():
                view.figure.savefig(self.folder / f"{name}.png")
            click.echo(f"  pictures: {self.folder}")
        if self.report is not None:
            page = Report(headline, f"fastsnn, backend {net.backend}, seed {net.seed}")
            page.numbers(numbers)
            for name, view in self.views.items():
                page.picture(name, view, self.captions[name])
            click.echo(f"  report: {page.text('Network', str(net)).write(self.report)}")
        if self.log is not None:
            for name, value in numbers.items():
                number = re.match(r"[\d,]+(\.\d+)?", value)
                if number:
                    self.log.add_scalar(name, float(number[0].replace(",", "")))
            self.log.close()
            click.echo(f"  log: {self.log.path}")
        if self.live:
            import matplotlib.pyplot as plt

            plt.ioff()
            plt.show()
