# SPDX-License-Identifier: Apache-2.0
"""The command `fastsnn`, also `python -m fastsnn`."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Sequence

import click

import fastsnn
from fastsnn.datasets import DataError
from fastsnn.errors import FastsnnError
from fastsnn.mnist.command import INTERRUPTED, mnist
from fastsnn.sim.command import sim

WRONG_USE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fastsnn.__version__, prog_name="fastsnn")
def cli() -> None:
    """Simulate and train networks of spiking neurons."""


cli.add_command(mnist)
cli.add_command(sim)


@cli.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> int:
    """Time the engine: `fastsnn bench --help` lists the cases."""
    from fastsnn.bench.cli import main as bench_main

    return bench_main(list(arguments)) or 0


@cli.command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--as",
    "name",
    type=click.Choice(["bindsnet"]),
    required=True,
    help="The package whose imports fastsnn answers.",
)
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_script(name: str, script: str, arguments: tuple[str, ...]) -> int:
    """Run a Python SCRIPT of another package, unchanged, on fastsnn."""
    from fastsnn.bindsnet import alias

    try:
        alias.run_script(script, arguments, name)
    except Exception:
        # an error of the script: where it happened matters more than our short form of it
        traceback.print_exc()
        return 1
    return 0


@cli.command()
def info() -> None:
    """Show versions, and which backends work here."""
    import numpy
    import torch

    from fastsnn import backends

    facts = {
        "fastsnn": fastsnn.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for name, value in facts.items():
        click.echo(f"{name:10}{value}")
    click.echo("\nbackends, fastest first:")
    for name, reason in backends.explain().items():
        click.echo(f"  {name:8}{reason}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    sys.exit(_exit_code(list(sys.argv[1:] if arguments is None else arguments)))


def _exit_code(arguments: list[str]) -> int:
    try:
        return cli.main(arguments, prog_name="fastsnn", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted.", err=True)
        return INTERRUPTED
    except (FastsnnError, DataError, FileNotFoundError) as error:
        click.echo(f"Error: {error}", err=True)
        return WRONG_USE
    except OSError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
