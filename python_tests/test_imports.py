# SPDX-License-Identifier: Apache-2.0
"""Which module may know which: the arrows of docs/design.md, read off the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# a module may import the ones to its right, and what those may import
MAY_IMPORT = {
    "errors": [],
    "memory": ["errors"],
    "files": [],
    "analysis": ["files"],
    "optional": [],
    "datasets": ["files", "optional"],
    "readouts": ["optional"],
    "environments": ["optional", "datasets"],
    "pipelines": ["network", "environments", "datasets", "analysis", "evaluation", "errors"],
    "trains": ["_native"],
    "encoding": ["trains"],
    "evaluation": ["errors"],
    "random": [],
    "sources": ["inputs", "random"],
    "injection": ["inputs", "sources"],
    "statistics": ["errors"],
    "recording": ["errors", "files", "optional"],
    "models": ["errors"],
    "equations": ["models", "optional"],
    "inputs": ["errors"],
    "monitors": ["errors"],
    "recorders": ["recording"],
    "synapses": ["errors"],
    "connectivity": ["random", "synapses"],
    "features": ["models"],
    "compartments": ["features", "connectivity"],
    "structured": ["connectivity"],
    "population": ["models"],
    "projection_checks": ["errors"],
    "projection": ["population", "compartments", "memory", "projection_checks"],
    "sparse": ["population", "random"],
    "plan": ["projection", "inputs", "sparse"],
    # a printed model uses the words of the kernels
    "lowering": ["models", "kernels"],
    "backends": ["plan", "lowering", "kernels", "csrc", "_native", "files", "structured"],
    # the one circle: it makes a Network from a file
    "storage": ["network", "structured"],
    "table": ["plan"],
    "running": ["backends", "monitors"],
    "executing": ["plan", "monitors", "recorders"],
    "building": ["plan", "monitors", "recorders", "structured"],
    "network": ["building", "running", "executing", "storage", "table"],
    "replicas": ["network"],
    # layers for training; graphs made of them
    "nn": ["models", "lowering", "backends"],
    "nir": ["nn", "optional"],
    "pynn": ["network", "injection", "optional"],
    "conversion": ["network"],
    "networks": ["network", "injection"],
    "sim": ["networks", "recording", "statistics", "analysis", "bench"],
    "mnist": ["network", "analysis", "datasets", "encoding", "evaluation", "files"],
    "bench": ["network", "mnist", "networks", "statistics", "analysis", "nn"],
    "cli": ["mnist", "sim", "bench", "bindsnet"],
    "__main__": ["cli"],
    # names and signatures of another package, over everything
    "bindsnet": ["network", "pipelines", "encoding", "evaluation", "readouts", "conversion"],
    "kernels": [],
    "csrc": [],
}


def allowed(module: str) -> set[str]:
    """A module, what it may import, and so on."""
    found, waiting = {module}, [module]
    while waiting:
        fresh = set(MAY_IMPORT.get(waiting.pop(), ())) - found
        found |= fresh
        waiting += fresh
    return found


def imports(path: Path) -> set[str]:
    """Top modules of ours that a file imports, anywhere in it; for type hints does not count."""
    found = set()
    for node in walk_running_code(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "fastsnn":
                found.add(parts[1] if len(parts) > 1 else "")
    return found


def walk_running_code(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from walk_running_code(child)


def sources(root: Path) -> dict[str, list[Path]]:
    """Top module -> its files; the kernels and the benchmarks lie beside the package."""
    found: dict[str, list[Path]] = {}
    for path in sorted((root / "fastsnn").rglob("*.py")):
        top = path.relative_to(root / "fastsnn").parts[0].removesuffix(".py")
        found.setdefault(top, []).append(path)
    found.pop("__init__")
    for name in ("kernels", "bench"):
        found[name] = sorted((root / name).rglob("*.py"))
    return found


def test_every_module_has_its_place(root: Path) -> None:
    assert set(sources(root)) <= set(MAY_IMPORT), "give the new module a line in MAY_IMPORT"


@pytest.mark.parametrize("module", [m for m in MAY_IMPORT if m not in ("csrc", "bench")])
def test_modules_know_only_what_lies_below(module: str, root: Path) -> None:
    for path in sources(root).get(module, []):
        public = {name for name in imports(path) if name in MAY_IMPORT or name == "_native"}
        extra = public - allowed(module)
        assert not extra, f"{path.relative_to(root)} imports {sorted(extra)}"


def test_models_know_no_backend() -> None:
    for module in ("errors", "models", "inputs", "plan"):
        assert not allowed(module) & {"backends", "lowering", "network", "kernels", "bench"}


def test_kernels_know_nothing_of_ours(root: Path) -> None:
    for path in sources(root)["kernels"]:
        assert not imports(path), path


def test_sources_of_the_engine_know_no_torch(root: Path) -> None:
    for path in (root / "csrc").rglob("*.[ch]*"):
        assert "torch/" not in path.read_text(), f"{path}: one build must serve every torch"


def test_import_loads_neither_triton_nor_plots() -> None:
    heavy = ("triton", "matplotlib")
    code = f"import sys, fastsnn; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
