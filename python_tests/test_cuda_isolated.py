# SPDX-License-Identifier: Apache-2.0
"""Populations without projections, which the CUDA engine runs in registers, equal the reference."""

from __future__ import annotations

import random_nets
import test_parity
import torch
from cases import Case, Chance, Do, Uniform
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_cuda import play, spreads

from fastsnn import Current, Network, models

__all__ = ["spreads"]
SIZES = (1, 3, 8, 31, 64, 1300)
PLAIN = [m for m in random_nets.NEURONS if m != "CSRM"]


@st.composite
def cases(draw) -> Case:
    """One or two populations with nothing between them."""
    batch = draw(st.sampled_from([1, 1, 3]))
    cells = []
    for k in range(draw(st.integers(1, 2))):
        model = draw(st.sampled_from(PLAIN))
        cell = draw(random_nets.cells(f"p{k}", draw(st.sampled_from(SIZES)), model))
        cell.options["one_spike"] = draw(st.integers(0, 9)) == 0
        cells.append(cell)
    case = Case(1.0, batch, draw(random_nets.SEEDS), cells, [], [], [])
    for cell in cells:
        for variable in ("spike", draw(st.sampled_from(["v", "refrac", "sum", "x"]))):
            if variable in known(case, cell.name):
                every = draw(st.sampled_from([1, 2, 3]))
                case.monitors.append({"owner": cell.name, "variable": variable, "every": every})
    for _ in range(draw(st.integers(1, 3))):
        case.story.append(draw(acts(case)))
    return case


def known(case: Case, name: str) -> set[str]:
    """Variables of a population."""
    return set(case.build("torch").populations[name].state)


@st.composite
def acts(draw, case: Case) -> Do:
    act = Do(draw(st.sampled_from(["run", "present"])), draw(st.integers(1, 12)))
    for cell in case.cells:
        kind = draw(st.sampled_from(["current", "currents", None]))
        if kind:
            act.inputs[cell.name] = (kind, Uniform(-1.0, 9.0, draw(random_nets.SEEDS)))
        if act.what == "run" and "v" in known(case, cell.name) and draw(st.booleans()):
            ramp = Uniform(-2.0, 4.0, draw(random_nets.SEEDS))
            act.options["inject_v"] = {cell.name: (ramp, draw(st.booleans()))}
        if act.what == "run" and draw(st.integers(0, 9)) == 0:
            act.options["clamp"] = {cell.name: (Chance(0.1, 3), False)}
    if act.what == "present":
        act.samples = draw(st.integers(1, 3))
        act.options |= {"reset": draw(st.booleans()), "count": [c.name for c in case.cells]}
        act.inputs = {k: ("current", v) for k, (_, v) in act.inputs.items()}
    return act


@settings(max_examples=60)
@given(case=cases(), steps=st.sampled_from([1, 5, 4096]))
def test_unconnected_populations_are_bit_identical(case, steps):
    want = case.play("torch")
    # the sign of a NaN is nobody's promise
    assume(test_parity.stays_finite(want))
    wrong = test_parity.first_difference(play(case, "cuda-auto", steps), want)
    assert wrong is None, f"{steps} steps a launch: {wrong}"


def test_noise_of_the_model_agrees_to_rounding():
    def voltages(backend: str) -> torch.Tensor:
        net = Network(seed=3, backend=backend)
        net.population("noisy", models.SRM0(), 40)
        monitor = net.monitor("noisy", "v")
        net.run(30.0, {"noisy": Current(torch.full((40,), 2.0))})
        return monitor.get()

    assert torch.allclose(voltages("cuda-auto"), voltages("torch"), atol=1e-4)
