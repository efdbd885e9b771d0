# SPDX-License-Identifier: Apache-2.0
"""`fastsnn mnist`: the command line of the job, made from `Settings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fastsnn.datasets import download_mnist
from fastsnn.mnist.checkpoint import read
from fastsnn.mnist.job import Interrupted, Result, run, settings_of
from fastsnn.mnist.readout import READOUTS
from fastsnn.mnist.settings import Settings, option_name, value_type

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_CACHE = Path("~/.cache/fastsnn/mnist")
INTERRUPTED = 130
_GROUPS = {
    "run": "What to do",
    "network": "The network",
    "learning": "Learning",
    "input": "Showing an image",
    "evaluation": "Judging",
    "machine": "The machine",
}


class _Option(click.Option):
    """An option that knows its place in the help."""

    def __init__(self, *arguments: Any, group: str, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.group = group


class _Command(click.Command):
    """A command whose help lists its options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, title in _GROUPS.items():
            records = [
                record
                for option in self.get_params(ctx)
                if getattr(option, "group", "run") == group
                and (record := option.get_help_record(ctx))
            ]
            with formatter.section(title):
                formatter.write_dl(records)


def _from_settings() -> list[_Option]:
    """One option for each setting; values are checked by `Settings`, types here."""
    options = []
    for spec in fields(Settings):
        name, kind = option_name(spec.name), value_type(spec)
        flag = kind is bool
        options.append(
            _Option(
                [f"{name}/--no-{name[2:]}" if flag else name, spec.name],
                type=None if flag else kind,
                metavar=None if flag else "|".join(spec.metadata["choices"] or ()) or None,
                default=spec.default,
                show_default=spec.default is not None,
                help=spec.metadata["help"],
                group=spec.metadata["group"],
            )
        )
    return options


def _run_options() -> list[_Option]:
    def option(*names: str, **keywords: Any) -> _Option:
        return _Option(list(names), group="run", **keywords)

    return [
        option(
            "--train/--test",
            default=True,
            help="train, then test; or test the network of --checkpoint as it is  [default: train]",
        ),
        option(
            "--data",
            type=_FOLDER,
            metavar="DIR",
            help="folder with MNIST's idx files, gzipped or not; "
            "default: 5,000 + 1,000 images that come with fastsnn",
        ),
        option(
            "--download",
            is_flag=True,
            help=f"fetch all of MNIST into --data first, or into {_CACHE}",
        ),
        option("--checkpoint", type=_FILE, metavar="FILE", help="keep the run in this file"),
        option(
            "--checkpoint-interval",
            type=click.IntRange(min=1),
            default=5000,
            show_default=True,
            metavar="N",
            help="images between two writings of --checkpoint",
        ),
        option(
            "--resume",
            is_flag=True,
            help="continue --checkpoint where it stopped; the result is the same bits",
        ),
        option(
            "--plot/--no-plot", default=True, help="write a report with pictures  [default: plot]"
        ),
        option(
            "--report",
            type=_FOLDER,
            default="report",
            show_default=True,
            metavar="DIR",
            help="folder of the report",
        ),
    ]


def _with_options(function: Callable[..., None]) -> click.Command:
    return _Command(
        "mnist",
        callback=click.pass_context(function),
        params=[*_run_options(), *_from_settings()],
        help=function.__doc__,
        short_help="learn MNIST with spikes",
    )


@_with_options
def mnist(
    ctx: click.Context,
    train: bool,
    data: Path | None,
    download: bool,
    checkpoint: Path | None,
    checkpoint_interval: int,
    resume: bool,
    plot: bool,
    report: Path,
    **settings: Any,
) -> None:
    """Learn to recognise handwritten digits by spike-timing-dependent plasticity.

    Trains the network of Diehl & Cook (2015) without labels, labels its neurons on training
    images, and prints the accuracy on test images.
    """
    chosen = Settings(**settings)
    if checkpoint and checkpoint.exists() and (resume or not train):
        chosen, data = _from_checkpoint(ctx, checkpoint, settings, data)
    if download:
        data = _download(data)
    try:
        result = run(chosen, data, checkpoint, checkpoint_interval, resume, train)
    except Interrupted as stop:
        click.echo(f"\n{stop}", err=True)
        ctx.exit(INTERRUPTED)
    _print_result(result)
    if plot:
        # matplotlib is slow to import
        from fastsnn.mnist.report import write_report

        click.echo(f"report: {write_report(report, result)}")


def _from_checkpoint(
    ctx: click.Context, path: Path, settings: dict[str, Any], data: Path | None
) -> tuple[Settings, Path | None]:
    """Take what the command line leaves open from the checkpoint."""
    info = read(path)[1]
    given = {
        name: value
        for name, value in settings.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if data is None and info["data"]:
        data = Path(info["data"])
    return replace(settings_of(path, info), **given), data


def _download(folder: Path | None) -> Path:
    folder = folder or _CACHE.expanduser()
    download_mnist(folder, report=lambda line: click.echo(line, err=True))
    return folder


def _print_result(result: Result) -> None:
    trainer = result.trainer
    backend = trainer.net.backend
    if trainer.seen < trainer.total:
        click.echo(f"training is not complete: {trainer.seen:,} of {trainer.total:,} images seen")
    for name, accuracy in result.verdict.accuracy.items():
        click.echo(f"test accuracy: {accuracy:.2%} ({READOUTS[name]})")
    if result.images_per_s is not None:
        click.echo(f"learning: {result.images_per_s:,.1f} images/s ({backend} backend)")
    click.echo(f"testing: {result.verdict.images_per_s:,.1f} images/s ({backend} backend)")
