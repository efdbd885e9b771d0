# SPDX-License-Identifier: Apache-2.0
"""Answer `import bindsnet` with `fastsnn.bindsnet`, and run scripts so."""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from fastsnn.errors import FastsnnError

REAL = "fastsnn.bindsnet"


class _Same(Loader):
    """Loads a name as the module that another name stands for."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self.own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # the import system has just overwritten it; the module was executed under its own name
        module.__spec__ = self.own


class Alias(MetaPathFinder):
    """Finds `name` and all below it as REAL and what is below that: the same modules."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """The spec of an aliased module, or None for all others."""
        head, _, rest = fullname.partition(".")
        if head != self.name:
            return None
        real = f"{REAL}.{rest}" if rest else REAL
        try:
            found = importlib.util.find_spec(real)
        except ModuleNotFoundError:
            return None
        if found is None:
            return None
        return ModuleSpec(fullname, _Same(real), is_package=True)


def install(name: str = "bindsnet") -> Alias:
    """Let `import <name>` mean fastsnn.bindsnet from now on; torchvision's transforms too, where
    torchvision is not installed.

    Raises FastsnnError when another module of that name is imported already.
    """
    known = sys.modules.get(name)
    if known is not None and known.__name__ != REAL:
        raise FastsnnError(
            f"'{name}' is imported already, from {known.__file__}; install the alias before that."
        )
    alias = Alias(name)
    sys.meta_path.insert(0, alias)
    if importlib.util.find_spec("torchvision") is None:
        from fastsnn.bindsnet.transforms import stand_in

        sys.modules.update(stand_in())
    return alias


def remove(alias: Alias) -> None:
    """Undo `install`."""
    sys.meta_path.remove(alias)
    for name in [n for n in sys.modules if n.partition(".")[0] == alias.name]:
        del sys.modules[name]


@contextmanager
def _arguments(script: Path, arguments: Sequence[str]) -> Iterator[None]:
    """sys.argv and sys.path as a script finds them."""
    argv, path = sys.argv, sys.path[:]
    sys.argv, sys.path[0:0] = [str(script), *arguments], [str(script.parent)]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path


def run_script(script: str | Path, arguments: Sequence[str] = (), name: str = "bindsnet") -> None:
    """Run a Python script as `python script arguments` would, with `import <name>` answered.

    Raises FileNotFoundError.
    """
    script = Path(script)
    if not script.is_file():
        raise FileNotFoundError(f"There is no script {script}.")
    alias = install(name)
    try:
        with _arguments(script, arguments):
            runpy.run_path(str(script), run_name="__main__")
    finally:
        remove(alias)
