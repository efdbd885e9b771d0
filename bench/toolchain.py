# SPDX-License-Identifier: Apache-2.0
"""Compile kernels for sm_90 where there is no GPU, and take the result apart."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastsnn.lowering.build import sources

ARCH = 90


class ToolError(RuntimeError):
    """A tool does not take what it is given."""


class Missing(ToolError):
    """A tool, or what it would work on, is not here."""


@dataclass(frozen=True)
class Unit:
    """One compiled piece of code, with one kernel or many.

    log:     what ptxas says about registers and spills.
    sass:    what `nvdisasm -c -gi` prints.
    label:   name of its only kernel, where the code has none that says enough.
    threads, shared: of a block, where the code does not say it.
    """

    backend: str
    ptx: str
    log: str
    sass: str
    label: str | None = None
    threads: int | None = None
    shared: int | None = None


def run(*command: str | Path) -> str:
    """Output and error output of a command, together.  Raises ToolError when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        )  # fmt: skip
    except OSError as error:
        raise ToolError(f"{command[0]}: {error}") from error
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{command[0]} failed:\n{error.output}") from error
    return done.stdout


def nvcc() -> Path:
    """CUDA's compiler.  Raises Missing where there is none."""
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    folders = [f"{home}/bin" for home in homes if home] + ["/usr/local/cuda/bin"]
    found = shutil.which("nvcc") or shutil.which("nvcc", path=os.pathsep.join(folders))
    if not found:
        raise Missing("nvcc is not here (looked in PATH, CUDA_HOME and /usr/local/cuda)")
    return Path(found).resolve()


def bundled(name: str) -> Path | None:
    """A tool that comes with Triton."""
    try:
        import triton
    except ImportError:
        return None
    path = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / name
    return path if path.exists() else None


def disassemble(cubin: Path, beside: Path | None = None) -> str:
    """The machine code in a cubin, as text; nvdisasm is looked for beside another tool, then in
    PATH, then where Triton has it."""
    near = beside.with_name("nvdisasm") if beside else None
    tool = near if near and near.exists() else shutil.which("nvdisasm") or bundled("nvdisasm")
    if not tool:
        raise Missing("nvdisasm is not here: neither beside nvcc, nor in PATH, nor with Triton")
    return run(tool, "-c", "-gi", cubin)


def cuda_sources() -> list[Path]:
    """The CUDA sources of the package.  Raises Missing where there are none."""
    found = sorted((folder / "cuda").glob("*.cu")) if (folder := sources()) else []
    if not found:
        raise Missing("there are no CUDA sources (csrc/cuda/*.cu)")
    return found


def cuda_flags() -> list[str]:
    """How the package compiles CUDA: the line "cuda" of csrc/flags.txt."""
    folder = sources()
    text = (folder / "flags.txt").read_text() if folder else ""
    found = re.search(r"^cuda:\s*(.*)$", text, re.MULTILINE)
    return [*(found[1].split() if found else ["-std=c++20", "--fmad=false"]), f"-I{folder}"]


def compile_cuda(source: Path, flags: list[str]) -> Unit:
    """Compile one CUDA source."""
    compiler = nvcc()
    with tempfile.TemporaryDirectory() as folder:
        ptx, cubin = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        run(compiler, *flags, "-lineinfo", "-ptx", f"-arch=compute_{ARCH}", source, "-o", ptx)
        own = ("-cubin", f"-arch=sm_{ARCH}", "-lineinfo", "-Xptxas=-v", "--fmad=false")
        log = run(compiler, *own, ptx, "-o", cubin)
        return Unit("cuda", ptx.read_text(), log, disassemble(cubin, compiler))


def compile_triton(
    kernel: Any,
    signature: Mapping[str, str],
    constants: Mapping[Any, Any],
    attributes: Mapping[Any, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    label: str | None = None,
) -> Unit:
    """Compile one Triton kernel, as it is compiled for a GPU.

    The arguments are those of triton.compiler.ASTSource.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    said = io.StringIO()
    knobs = triton.knobs
    with knobs.compilation.scope(), knobs.nvidia.scope(), contextlib.redirect_stdout(said):
        # a kernel out of the cache would come without the words of ptxas
        knobs.compilation.always_compile = knobs.nvidia.dump_ptxas_log = True
        made = triton.compile(
            ASTSource(kernel, dict(signature), dict(constants), dict(attributes or {})),
            target=GPUTarget("cuda", ARCH, 32),
            options=dict(options or {}),
        )
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder, "kernel.cubin")
        cubin.write_bytes(made.asm["cubin"])
        sass = disassemble(cubin)
    return Unit(
        "triton", made.asm["ptx"], said.getvalue(), sass, label,
        threads=made.metadata.num_warps * 32, shared=made.metadata.shared,
    )  # fmt: skip


def version(tool: Path) -> str:
    """What a tool of CUDA calls itself, e.g. "13.0.88"."""
    found = re.search(r"V(\d+\.\d+\.\d+)", run(tool, "--version"))
    return found[1] if found else "unknown"
