# SPDX-License-Identifier: Apache-2.0
"""Read machine code as `nvdisasm -c -gi` prints it: instructions, memory accesses, loops."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

_SECTION = re.compile(r"^\.text\.(\S+):$")
_LABEL = re.compile(r"^(\S+):$")
_INSTRUCTION = re.compile(
    r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;?\s*$"
)
_PLACE = re.compile(r'^\s*//## File "([^"]+)", line (\d+)( inlined at)?')
_TARGET = re.compile(r"`\((\S+?)\)")
_BRANCH_TARGETS = re.compile(r'BRANCH_TARGETS ([^"]+)"')
_REGISTER = re.compile(r"\bR(\d+)\b")
_WIDTH = re.compile(r"\.(8|16|32|64|128|256|U8|S8|U16|S16)(?:\.|$)")
ACCESSES = {"LDG": "load", "LD": "load", "STG": "store", "ST": "store"}


@dataclass(frozen=True)
class Instruction:
    """One instruction; `targets` are labels that it may jump to."""

    opcode: str
    operands: str = ""
    targets: tuple[str, ...] = ()
    conditional: bool = False
    places: tuple[tuple[str, int], ...] = ()  # file and line, then what they are inlined in

    @property
    def name(self) -> str:
        """The opcode without its modifiers."""
        return self.opcode.partition(".")[0]

    @property
    def ends(self) -> bool:
        """Whether the next instruction is reached by a jump only."""
        return self.name in ("BRA", "BRX", "JMP", "EXIT", "RET") and not self.conditional

    @property
    def access(self) -> tuple[str, int] | None:
        """("load" or "store", bits a thread) of an access to global memory, else None.

        An access by a generic address counts: the compiler knows no better of a pointer that the
        kernel reads from memory.
        """
        if self.name not in ACCESSES:
            return None
        found = _WIDTH.search(self.opcode)
        return ACCESSES[self.name], int(found[1].lstrip("US")) if found else 32


@dataclass(frozen=True)
class Loop:
    """A loop over numbers in memory: weights, or the state of neurons.

    instructions: of one iteration of a thread; those of branches that are not taken count, too.
    events:       numbers that it handles: those of 4 bytes or more that it writes; if it writes
                  none, those that it reads and computes with (an index is no number).
    """

    instructions: int
    events: int
    learns: bool
    places: tuple[tuple[str, int], ...] = ()  # of the first number that it reads

    @property
    def per_event(self) -> float:
        """Instructions of a thread for one event."""
        return self.instructions / self.events


@dataclass
class Function:
    """The code of a kernel, or of a function that was not inlined."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def count(self, *names: str) -> int:
        """Number of instructions with one of these names."""
        return sum(i.name in names for i in self.instructions)

    def accesses(self, name: str) -> Counter[int]:
        """How often memory is accessed by an instruction (LDG, STG, LD, ST), by bits a thread."""
        return Counter(i.access[1] for i in self.instructions if i.access and i.name == name)

    @property
    def size(self) -> int:
        """Instructions, without the padding at the end."""
        return sum(i.name != "NOP" for i in self.instructions)

    @cached_property
    def loops(self) -> list[Loop]:
        """Loops that read numbers, in the order of the code; none holds another of them."""
        blocks = _Blocks(self)
        found: dict[int, tuple[set[int], Loop]] = {}
        for head, inside in sorted(blocks.loops().items(), key=lambda item: len(item[1])):
            body = [i for b in sorted(inside) for i in blocks.code(b) if i.name != "NOP"]
            written, read = _numbers_written(body), _numbers_read(body)
            first = next(iter(read), 0)
            loop = Loop(len(body), written or sum(read.values()), bool(written), body[first].places)
            if read and not any(known <= inside for known, _ in found.values()):
                found[head] = inside, loop
        return [found[head][1] for head in sorted(found)]


def parse(text: str) -> dict[str, Function]:
    """The functions in the output of `nvdisasm -c -gi`, by their mangled names."""
    found: dict[str, Function] = {}
    now: Function | None = None
    places: list[tuple[str, int]] = []
    complete = True
    for line in text.splitlines():
        if line.startswith("//-----"):
            now, places = None, []
        if section := _SECTION.match(line):
            now = found.setdefault(section[1], Function(section[1]))
        elif now is None:
            continue
        elif label := _LABEL.match(line):
            now.labels[label[1]] = len(now.instructions)
        elif code := _INSTRUCTION.match(line):
            now.instructions.append(_instruction(code, tuple(places)))
        elif place := _PLACE.match(line):
            # the lines of one place end with what is inlined in nothing
            places = [] if complete else places
            places.append((place[1], int(place[2])))
            complete = not place[3]
    return found


def _instruction(code: re.Match[str], places: tuple[tuple[str, int], ...]) -> Instruction:
    predicate, opcode, rest = code[1], code[2], code[3]
    listed = _BRANCH_TARGETS.search(rest)
    targets = listed[1].split(",") if listed else _TARGET.findall(rest)
    # a condition may stand among the operands, too: BRA.U UP0, `(.L_x_1)
    operand = opcode.startswith("BRA") and not rest.startswith("`")
    return Instruction(opcode, rest, tuple(targets), bool(predicate) or operand, places)


def _numbers_written(body: list[Instruction]) -> int:
    return sum(i.access[1] // 32 for i in body if i.access and i.access[0] == "store")


def _numbers_read(body: list[Instruction]) -> dict[int, int]:
    """How many numbers each load brings that is computed with, by its place in the body."""
    found = {}
    for k, i in enumerate(body):
        width = i.access[1] // 32 if i.access and i.access[0] == "load" else 0
        if width and _is_number(i, width, body[k + 1 :] + body[:k]):
            found[k] = width
    return found


def _is_number(load: Instruction, width: int, later: list[Instruction]) -> bool:
    """Whether what a load brings goes into an operation on floats, or is moved there first."""
    target = _REGISTER.match(load.operands)
    held = {str(int(target[1]) + k) for k in range(width)} if target else set()
    for i in later:
        own, _, rest = i.operands.partition(",")
        used = _REGISTER.findall(i.operands if i.name in ACCESSES else rest)
        if not held & set(used):
            continue
        if i.opcode in ("MOV", "SEL", "IMAD.MOV.U32"):
            held |= set(_REGISTER.findall(own))
        else:
            return i.name[0] == "F" or i.name == "MUFU"
    return False


class _Blocks:
    """Basic blocks of a function and the jumps between them."""

    def __init__(self, function: Function) -> None:
        code = function.instructions
        starts = {0, *function.labels.values()}
        starts |= {k + 1 for k, i in enumerate(code) if i.ends or i.name == "BRA"}
        self.starts = sorted(s for s in starts if s < len(code))
        self.ends = [*self.starts[1:], len(code)]
        self.of = {s: b for b, s in enumerate(self.starts)}
        self.function = function
        self.next = [self._successors(b) for b in range(len(self.starts))]

    def code(self, block: int) -> list[Instruction]:
        return self.function.instructions[self.starts[block] : self.ends[block]]

    def _successors(self, block: int) -> set[int]:
        last = self.code(block)[-1]
        found = set()
        if last.name in ("BRA", "BRX", "JMP"):
            places = (self.function.labels.get(t) for t in last.targets)
            found = {self.of[p] for p in places if p in self.of}
        if not last.ends and block + 1 < len(self.starts):
            found.add(block + 1)
        return found

    def loops(self) -> dict[int, set[int]]:
        """Natural loops: the block at the head, and all blocks of the loop.

        A backward jump is a loop only if its target lies on every way to it; code that was moved
        out of line jumps back without being one.
        """
        above = self._dominators()
        before: list[set[int]] = [set() for _ in self.next]
        for b, after in enumerate(self.next):
            for s in after:
                before[s].add(b)
        found: dict[int, set[int]] = {}
        for b, after in enumerate(self.next):
            for head in after & above[b]:
                # a jump to itself alone is what pads the end of a kernel
                if head == b and len(self.code(b)) == 1:
                    continue
                body = found.setdefault(head, {head})
                todo = [b]
                while todo:
                    block = todo.pop()
                    if block not in body:
                        body.add(block)
                        todo += before[block]
        return found

    def _dominators(self) -> list[set[int]]:
        """For each block all blocks on every way to it, itself among them."""
        order, parents = self._order()
        place = {b: k for k, b in enumerate(order)}
        idom = {order[0]: order[0]}
        changed = True
        while changed:
            changed = False
            for b in order[1:]:
                known = [p for p in parents[b] if p in idom]
                best = known[0]
                for p in known[1:]:
                    while p != best:
                        if place[p] > place[best]:
                            p = idom[p]
                        else:
                            best = idom[best]
                if idom.get(b) != best:
                    idom[b] = best
                    changed = True
        above: dict[int, set[int]] = {order[0]: {order[0]}}
        for b in order[1:]:
            above[b] = above[idom[b]] | {b}
        return [above.get(b, set()) for b in range(len(self.next))]

    def _order(self) -> tuple[list[int], dict[int, list[int]]]:
        """Blocks in reverse postorder from a root (-1) that leads to every block without a way to
        it, and what comes before each."""
        entered = {s for after in self.next for s in after}
        roots = {0} | (set(range(len(self.next))) - entered)
        seen: set[int] = set()
        order: list[int] = []
        for root in sorted(roots, reverse=True):
            stack = [(root, iter(sorted(self.next[root], reverse=True)))]
            if root in seen:
                continue
            seen.add(root)
            while stack:
                block, rest = stack[-1]
                step = next((s for s in rest if s not in seen), None)
                if step is None:
                    order.append(block)
                    stack.pop()
                else:
                    seen.add(step)
                    stack.append((step, iter(sorted(self.next[step], reverse=True))))
        order = [-1, *reversed(order)]
        parents: dict[int, list[int]] = {b: [] for b in order}
        for root in roots:
            parents[root].append(-1)
        for b in order[1:]:
            for s in self.next[b]:
                parents[s].append(b)
        return order, parents
