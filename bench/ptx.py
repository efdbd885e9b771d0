# SPDX-License-Identifier: Apache-2.0
"""Check in PTX that kernels round as the reference does: no fma, IEEE division and square root.

PTX is where this can be seen: below it, division and square root are themselves made of fma.  An
addition or multiplication that names its rounding (`add.rn.f32`) is never contracted by ptxas (PTX
ISA, "Floating Point Instructions").
"""

from __future__ import annotations

import re

_ENTRY = re.compile(
    r"^\s*(?:\.visible |\.weak |\.extern )*\.(?:entry|func)\s+(?:\([^)]*\)\s*)?([\w$]+)"
)
_CODE = re.compile(r"^\s*(?:@!?%\w+\s+)?([a-z]\w*(?:\.\w+)*)\s+(.*?);")
_THREADS = re.compile(r"^\s*\.(?:max|req)ntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?")
_FLOAT = re.compile(r"\.(?:f32|f64|f32x2)$")
_ROUNDING = re.compile(r"\.(?:rn|rz|rm|rp)\b")
# numbers in the exponentials (of float, of double) of CUDA's own library, which promise no rounding
_OF_EXP = {
    "0F3BBB989D", "0F437C0000", "0F3FB8AA3B", "0F32A57060",
    "0D3FF71547652B82FE", "0DBFE62E42FEFA39EF", "0DBC7ABC9E3B39803F", "0D3E928AF3FCA213EA",
    "0D3EC71DEE62401315", "0D3EFA01997C89EB71", "0D3F2A01A014761F65", "0D3F56C16C1852B7AF",
    "0D3F81111111122322", "0D3FA55555555502A1", "0D3FC5555555555511", "0D3FE000000000000B",
    "0D3FF0000000000000",
}  # fmt: skip


def threads(ptx: str) -> dict[str, int]:
    """The most threads of a block, by kernel, where the kernel says so."""
    found = {}
    for name, lines in _functions(ptx).items():
        for line in lines:
            if bounds := _THREADS.match(line):
                x, y, z = (int(b or 1) for b in bounds.groups())
                found[name] = x * y * z
    return found


def inexact(ptx: str) -> dict[str, list[str]]:
    """What would round differently from the reference, in words, by function."""
    return {name: _check(lines) for name, lines in _functions(ptx).items()}


def _functions(ptx: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    now: list[str] = []
    for line in ptx.splitlines():
        if entry := _ENTRY.match(line):
            # a declaration and its definition go together
            now = found.setdefault(entry[1], [])
        now.append(line)
    return found


def _check(lines: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    known: dict[str, str] = {}
    for line in lines:
        code = _CODE.match(line)
        if not code:
            continue
        opcode, operands = code[1], [o.strip() for o in code[2].split(",")]
        if opcode.startswith("mov.") and len(operands) == 2:
            known[operands[0]] = operands[1]
        why = _why_inexact(opcode, {known.get(o, o).upper() for o in operands[1:]})
        if why:
            seen[why] = seen.get(why, 0) + 1
    return [f"{why} ({count}x)" for why, count in seen.items()]


def _why_inexact(opcode: str, operands: set[str]) -> str | None:
    kind = opcode.partition(".")[0]
    if not _FLOAT.search(opcode):
        return None
    if kind in ("fma", "mad"):
        if _OF_EXP & operands:
            return None
        return f"{opcode}: contracted, expected multiplication and addition of their own"
    if kind in ("add", "sub", "mul") and not _ROUNDING.search(opcode):
        return f"{opcode}: may be contracted, expected a rounding"
    if kind in ("div", "sqrt", "rcp", "rsqrt") and not _ROUNDING.search(opcode):
        return f"{opcode}: not rounded as IEEE 754 says"
    if kind in ("add", "sub", "mul", "div", "sqrt", "rcp") and ".ftz" in opcode:
        return f"{opcode}: takes tiny numbers for 0"
    return None
