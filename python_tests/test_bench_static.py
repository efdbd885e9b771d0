# SPDX-License-Identifier: Apache-2.0
"""What is said of kernels that never ran is true: machine code is read right, spills and
contraction are found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastsnn.bench import compiled, ptx, sass, static, toolchain
from fastsnn.bench.occupancy import occupancy, resident_blocks
from fastsnn.bench.toolchain import Missing

FILES = Path(__file__).with_name("static")
LEARN = "_Z5learnP6float4PKiifS0_"


def tools() -> bool:
    """Whether CUDA can be compiled and taken apart here."""
    try:
        beside = toolchain.nvcc().with_name("nvdisasm").exists()
    except Missing:
        return False
    return beside or bool(shutil.which("nvdisasm") or toolchain.bundled("nvdisasm"))


needs_nvcc = pytest.mark.skipif(not tools(), reason="no nvcc or no nvdisasm")
needs_triton = pytest.mark.skipif(not toolchain.bundled("ptxas"), reason="no triton")


def test_loop_over_weights_is_found_with_what_it_does():
    function = sass.parse((FILES / "learn.sass").read_text())[LEARN]
    assert function.size == 42
    assert function.accesses("LDG") == {32: 1, 128: 1}
    assert function.accesses("STG") == {128: 2}
    (loop,) = function.loops
    # from .L_x_1 to the jump back; four weights, and an index that is none
    assert (loop.instructions, loop.events, loop.learns) == (20, 4, True)
    assert loop.per_event == 5.0
    assert loop.places == (("learn.cu", 9),)


def body(*lines: str) -> sass.Function:
    """A function of these instructions and labels."""
    code = [line if line.endswith(":") else f"        /*0000*/   {line} ;" for line in lines]
    return sass.parse("\n".join([".text.f:", *code]))["f"]


def test_code_moved_out_of_line_is_no_loop():
    function = body(
        "LDG.E R4, desc[UR4][R2.64]", "@P0 BRA `(.L_far)", ".L_back:", "FADD R5, R4, R5",
        "STG.E desc[UR4][R2.64], R5", "EXIT", ".L_far:", "LDG.E R4, desc[UR4][R2.64+4]",
        "BRA `(.L_back)",
    )  # fmt: skip
    assert function.loops == []


def test_loop_with_a_switch_and_an_inner_loop_is_one_loop():
    function = body(
        ".L_top:", "LDG.E R4, desc[UR4][R2.64]", 'BRX R8 -0x10 (*"BRANCH_TARGETS .L_a,.L_b"*)',
        ".L_a:", "FADD R5, R4, R5", ".L_again:", "FMUL R5, R5, 0.5", "BRA.U UP0, `(.L_again)",
        "BRA `(.L_next)", ".L_b:", "FADD R5, -R4, R5", ".L_next:", "@!P0 BRA `(.L_top)", "EXIT",
    )  # fmt: skip
    assert function.loops == [sass.Loop(8, 1, learns=False)]


def test_copies_and_indices_are_no_events():
    copy = body(".L:", "LD.E R4, [R2.64]", "ST.E [R6.64], R4", "@P0 BRA `(.L)", "EXIT")
    assert copy.loops == []
    gather = body(
        ".L:", "LD.E.64 R4, [R2.64]", "IMAD.WIDE R6, R4, 0x4, R8", "MOV R11, R5",
        "LD.E.64 R12, [R6.64]", "SEL R14, R12, RZ, P1", "FADD R15, R14, R15", "@P0 BRA `(.L)",
        "EXIT",
    )  # fmt: skip
    assert gather.loops == [sass.Loop(7, 2, learns=False)]


EXACT = """
.visible .entry k(.param .u64 k_param_0)
.maxntid 128, 2, 1
{
	mul.rn.f32 %f3, %f1, %f2;
	@%p1 add.rn.f32 %f4, %f3, %f1;
	div.rn.f32 %f5, %f4, %f1;
	sqrt.rn.f32 %f6, %f5;
	mov.f32 %f7, 0f3FB8AA3B;
	fma.rn.f32 %f8, %f6, %f7, %f5;
	ex2.approx.ftz.f32 %f9, %f8;
	mad.lo.s32 %r1, %r2, %r3, %r4;
}
"""


def test_exact_code_passes():
    assert ptx.inexact(EXACT) == {"k": []}
    assert ptx.threads(EXACT) == {"k": 256}


@pytest.mark.parametrize(
    "wrong",
    [
        "fma.rn.f32 %f3, %f1, %f2, %f4;",
        "fma.rn.f64 %fd3, %fd1, %fd2, %fd4;",
        "mad.rn.f32 %f3, %f1, %f2, %f4;",
        "add.f32 %f3, %f1, %f2;",
        "mul.ftz.f32 %f3, %f1, %f2;",
        "mul.rn.ftz.f32 %f3, %f1, %f2;",
        "div.full.f32 %f3, %f1, %f2;",
        "sqrt.approx.ftz.f32 %f3, %f1;",
        "rsqrt.approx.f32 %f3, %f1;",
    ],
)
def test_what_rounds_differently_is_found(wrong):
    text = EXACT.replace("div.rn.f32 %f5, %f4, %f1;", wrong)
    assert [said.split(":")[0] for said in ptx.inexact(text)["k"]] == [wrong.split()[0]]


@pytest.mark.parametrize(
    ("threads", "registers", "shared", "blocks"),
    [
        (128, 32, 0, 16),
        (1024, 64, 0, 1),
        (1024, 65, 0, 0),
        (512, 128, 0, 1),
        (96, 40, 0, 16),
        (32, 255, 0, 8),
        (32, 16, 0, 32),
        (256, 32, 100_000, 2),
        (256, 32, 227 << 10, 1),
        (256, 32, (227 << 10) + 1, 0),
    ],
)
def test_resident_blocks(threads, registers, shared, blocks):
    assert resident_blocks(threads, registers, shared) == blocks
    assert occupancy(threads, registers, shared) == blocks * -(-threads // 32) / 64


CALCULATOR = """
#include <initializer_list>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cuda_occupancy.h>
int main() {
  cudaOccDeviceProp chip;
  chip.computeMajor = 9; chip.computeMinor = 0; chip.warpSize = 32; chip.numSms = 132;
  chip.maxThreadsPerBlock = 1024; chip.maxThreadsPerMultiprocessor = 2048;
  chip.regsPerBlock = chip.regsPerMultiprocessor = 65536;
  chip.sharedMemPerBlock = 49152; chip.sharedMemPerMultiprocessor = 233472;
  chip.sharedMemPerBlockOptin = 232448; chip.reservedSharedMemPerBlock = 1024;
  cudaOccFuncAttributes kernel;
  kernel.maxThreadsPerBlock = 1024; kernel.sharedSizeBytes = 0; kernel.numBlockBarriers = 1;
  kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN; kernel.maxDynamicSharedSizeBytes = 232448;
  cudaOccDeviceState state;
  state.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED;
  for (int threads = 1; threads <= 1024; threads += 31)
    for (int registers = 1; registers <= 255; registers += 2)
      for (std::size_t shared : {0, 1, 128, 1000, 5000, 49152, 115000, 116000, 232448}) {
        cudaOccResult found;
        kernel.numRegs = registers;
        cudaOccMaxActiveBlocksPerMultiprocessor(&found, &chip, &kernel, &state, threads, shared);
        std::printf("%d %d %zu %d\\n", threads, registers, shared,
                    found.activeBlocksPerMultiprocessor);
      }
}
"""


def test_resident_blocks_are_those_of_the_toolkit(tmp_path):
    homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda", "/usr/local/cuda-13.0"]
    found = [Path(home, "include") for home in homes if home]
    found = [folder for folder in found if (folder / "cuda_occupancy.h").exists()]
    if not found or not shutil.which("g++"):
        pytest.skip("no cuda_occupancy.h or no g++")
    source, program = tmp_path / "occupancy.cpp", tmp_path / "occupancy"
    source.write_text(CALCULATOR)
    subprocess.run(["g++", f"-I{found[0]}", source, "-o", program], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        *block, blocks = map(int, line.split())
        assert resident_blocks(*block) == blocks, block


@needs_nvcc
def test_real_kernel_is_described():
    unit = toolchain.compile_cuda(FILES / "learn.cu", toolchain.cuda_flags())
    (kernel,) = compiled.kernels_of(unit)
    assert kernel.problems == []
    assert (kernel.spill_stores, kernel.spill_loads, kernel.stack) == (0, 0, 0)
    assert kernel.threads == 64
    assert 0 < kernel.registers < 64
    assert kernel.accesses["STG"] == {128: 2}
    (loop,) = kernel.loops
    assert (loop.events, loop.learns) == (4, True)
    assert loop.place == "learn.cu learn"


@needs_nvcc
@pytest.mark.parametrize(
    ("flag", "wrong"),
    [
        ("-lineinfo", ""),
        ("-DSPILL", "spills registers"),
        ("--fmad=true", "contracted"),
        ("--prec-div=false", "not rounded"),
        ("--prec-sqrt=false", "not rounded"),
        ("--ftz=true", "tiny numbers"),
    ],
)
def test_command_fails_on_spills_and_on_other_rounding(flag, wrong, tmp_path, monkeypatch, capsys):
    kept = [f for f in toolchain.cuda_flags() if f.partition("=")[0] != flag.partition("=")[0]]
    monkeypatch.setattr(toolchain, "cuda_sources", lambda: [FILES / "kernels.cu"])
    monkeypatch.setattr(toolchain, "cuda_flags", lambda: [*kept, flag])
    assert static.main(["--backend", "cuda", "--out", str(tmp_path)]) == bool(wrong)
    assert wrong in capsys.readouterr().err
    saved = json.loads((tmp_path / f"{static.NAME}.json").read_text())
    assert "sums<4>" in [kernel["name"] for kernel in saved["kernels"]]
    assert saved["versions"]["nvcc"].count(".") == 2
    text = (tmp_path / f"{static.NAME}.md").read_text()
    assert ("Wrong:" in text) == bool(wrong)
    assert "| cuda: sums<4> |" in text


@needs_nvcc
def test_source_that_does_not_compile_is_an_error(tmp_path, monkeypatch, capsys):
    source = tmp_path / "broken.cu"
    source.write_text("__global__ void broken() { nothing(); }\n")
    monkeypatch.setattr(toolchain, "cuda_sources", lambda: [source])
    assert static.main(["--backend", "cuda", "--out", str(tmp_path)]) == 1
    assert '"nothing" is undefined' in capsys.readouterr().err


@needs_triton
def test_triton_kernels_are_described():
    # a process of its own: this one may have Triton interpret
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, FILES / "triton_kernels.py"]
    said = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    exact, inexact = json.loads(said)
    assert (exact["name"], exact["threads"], exact["problems"]) == ("exact[256]", 128, [])
    assert exact["accesses"]["LDG"] == {"64": 1}
    assert any("contracted" in what for what in inexact["problems"])
    assert any("div.full" in what for what in inexact["problems"])


def test_what_is_missing_is_said(monkeypatch, tmp_path, capsys):
    def nothing() -> Path:
        raise Missing("nvcc is not here")

    monkeypatch.setattr(toolchain, "nvcc", nothing)
    monkeypatch.setattr(toolchain, "bundled", lambda name: None)
    assert static.main(["--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "missing: cuda: nvcc is not here" in said
    assert "missing: triton: triton is not installed" in said
    assert list(tmp_path.iterdir()) == []
