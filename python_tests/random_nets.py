# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies: networks of everything in the catalogue, and what is done with them."""

from __future__ import annotations

import math
from typing import Any

from cases import Case, Cells, Chance, Do, Uniform, Wires
from hypothesis import strategies as st

from fastsnn import Retry
from fastsnn.synapses import Windows

# parameter -> values, or a pair (low, high) for one number per neuron
_V = {"v_thresh": (-52.0, -60.0, ("per", -62.0, -50.0)), "lbound": (-66.0, ("per", -70.0, -65.0))}
_LEAK = {**_V, "t_refrac": (0.0, 2.0, 3.0), "tau_m": (10.0, 100.0, ("per", 5.0, 50.0))}
_THETA = {**_LEAK, "theta_plus": (0.0, 0.05, 2.0, ("per", 0.1, 1.0)), "tau_theta": (30.0, 1e7)}
NEURONS: dict[str, dict[str, tuple]] = {
    "McCullochPitts": {"v_thresh": (1.0, ("per", -0.5, 4.0))},
    "IF": {**_V, "t_refrac": (0.0, 2.0)},
    "SubtractiveIF": {"v_thresh": (5.0,), "v_reset": (0.0,), "t_refrac": (0.0, 2.0)},
    "LIF": {**_LEAK, "v_reset": (-60.0, -65.0), "v_rest": (-65.0, ("per", -66.0, -64.0))},
    "BoostedLIF": {"v_thresh": (4.0, ("per", 1.0, 13.0)), "tau_m": (5.0, 100.0)},
    "CurrentLIF": {**_LEAK, "tau_i": (2.0, ("per", 1.0, 10.0))},
    "AdaptiveLIF": _THETA,
    "DiehlAndCook": _THETA,
    "CompetitiveLIF": _THETA,
    "Izhikevich": {"lbound": (-90.0,), "a": (0.02, ("per", 0.01, 0.1)), "d": (2.0, 8.0)},
    "CSRM": {"v_thresh": (2.0, ("per", -5.0, 9.0)), "res_window": (1.0, 7.0), "tau": (1.0, 4.0)},
}
PAIRS = ("PostPre", "WeightDependentPostPre", "Hebbian")
RULES = (*PAIRS, "MSTDP", "MSTDPET")
SIZES = (1, 2, 15, 16, 17, 31, 33, 63, 65, 130, 257)
SEEDS = st.integers(0, 999)


@st.composite
def cells(draw, name: str, n: int, model: str) -> Cells:
    params = {}
    for key, values in NEURONS.get(model, {}).items():
        # a required choice has one value; others stay at their default half of the time
        if len(values) == 1 or draw(st.booleans()):
            value = draw(st.sampled_from(values))
            if isinstance(value, tuple):
                value = Uniform(value[1], value[2], draw(SEEDS))
            params[key] = value
    options = {}
    trace = draw(st.sampled_from(["none", "set", "additive"]))
    if trace != "none":
        options = {"traces": True, "traces_additive": trace == "additive"}
        options["tau_trace"] = draw(st.sampled_from([20.0, 3.0, Uniform(2.0, 30.0, 1)]))
        options["trace_scale"] = draw(st.sampled_from([1.0, 0.5, Uniform(0.1, 2.0, 2)]))
    if model != "Input":
        options["sum_input"] = draw(st.booleans())
        one_spike = draw(st.sampled_from([None, None, True, False]))
        options |= {} if one_spike is None else {"one_spike": one_spike}
    return Cells(name, model, n, params, options)


def learns(wire: Wires) -> bool:
    """Whether a wiring can have a rule."""
    return wire.wiring == "dense" or wire.wiring.startswith(("Conv", "Local", "Sparse"))


@st.composite
def wires(draw, name: str, source: Cells, target: Cells, others: tuple[str, ...] = ()) -> Wires:
    kinds = ["dense"] * 3 + ["one_to_one", "all_but_one"] * (source.n == target.n)
    kind, sizes, fan_in = draw(st.sampled_from([*kinds, *others])), {}, source.n
    if kind == "Sparse":
        p = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
        sizes, fan_in = {"pattern": Chance(p, draw(SEEDS))}, p * source.n
    return draw(wired(Wires(name, source, target, kind, Uniform(0, 1, 0), sizes=sizes), fan_in))


@st.composite
def wired(draw, out: Wires, fan_in: float) -> Wires:
    """Draw the weight and the options of a projection."""
    source, target = out.source, out.target
    # deep fan-in gets small weights, so that networks neither fall silent nor saturate
    reach = 20.0 / max(1.0, fan_in) ** 0.5 if learns(out) else 8.0
    low, high = draw(st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (-0.5, 2.0), (-1.0, 0.0)]))
    out.w = Uniform(low * reach, high * reach, draw(SEEDS))
    if draw(st.integers(0, 4)) == 0:
        out.options["bias"] = Uniform(-1.0, 2.0, draw(SEEDS))
    if not learns(out):
        return out
    out.rule = draw(st.sampled_from([None, *RULES, *PAIRS]))
    rates = st.sampled_from([0.0, 0.01, 0.1, 0.5, -0.05])
    if out.rule in PAIRS:
        out.rule_params = {"nu_pre": draw(rates), "nu_post": draw(rates)}
        for cell in (source, target):
            cell.options.setdefault("traces", True)
    elif out.rule:
        out.rule_params = {"nu": draw(rates), "tau_plus": draw(st.sampled_from([5.0, 20.0]))}
    bounds = {
        "none": {},
        "one": {"w_min": 0.0, "w_max": reach},
        "floor": {"w_min": -0.5 * reach},
        "synapse": {"w_min": Uniform(-1.0, 0.0, 3), "w_max": Uniform(0.0, reach, draw(SEEDS))},
    }
    allowed = ["one"] if out.rule == "WeightDependentPostPre" else list(bounds)
    out.options |= bounds[draw(st.sampled_from(allowed))]
    out.options["reduction"] = draw(st.sampled_from(["sum", "mean", "max"]))
    out.options["norm"] = draw(st.sampled_from([None, 3.0 * reach]))
    out.options["weight_decay"] = draw(st.sampled_from([0.0, 0.0, 0.01]))
    return out


# (channels, *grid)
GRIDS = ((1, 9), (2, 12), (3, 17), (1, 7, 7), (2, 5, 6), (1, 8, 4), (1, 3, 4, 3), (2, 3, 3, 2))


@st.composite
def windows(draw, case: Case) -> None:
    """Add a population of a shape, and one that it reaches by a kernel that moves over it."""
    k = len(case.cells)
    shaped = [c for c in case.cells if c.shape]
    source = draw(st.sampled_from(shaped)) if shaped and draw(st.booleans()) else None
    if source is None:
        shape = draw(st.sampled_from(GRIDS))
        model = draw(st.sampled_from([*NEURONS, *["Input"] * 10]))
        source = draw(cells(f"p{k}", math.prod(shape), model))
        source.shape = shape
        case.cells.append(source)
    channels, *grid = source.shape
    kind = draw(st.sampled_from(["Conv", "Conv", "Local", "Local", "MaxPool"]))
    kernel = tuple(draw(st.integers(1, min(3, n))) for n in grid)
    sizes = {"kernel_size": kernel, "stride": draw(st.integers(1, 3))}
    if kind != "Local":
        sizes["padding"] = draw(st.integers(0, 1 if min(kernel) > 1 else 0))
        sizes["dilation"] = draw(st.sampled_from([1, 1, 2])) if max(kernel) < 3 else 1
    if kind == "MaxPool":
        sizes["decay"] = draw(st.sampled_from([0.0, 0.1, 1.0]))
    if kind == "Conv":
        sizes["norm_per"] = draw(st.sampled_from(["filter", "kernel"]))
    each = [
        (sizes.get(name, least),) * len(grid)
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1))
    ]
    places = Windows(kernel, *each).out(tuple(grid))
    if min(places) < 1:
        return
    filters = channels if kind == "MaxPool" else draw(st.integers(1, 4))
    shape = (filters, *places)
    target = draw(cells(f"p{len(case.cells)}", math.prod(shape), draw(st.sampled_from([*NEURONS]))))
    target.shape = shape
    case.cells.append(target)
    name = f"{kind}{len(grid)}d"
    wire = Wires(f"c{len(case.wires)}", source, target, name, Uniform(0, 1, 0), sizes=sizes)
    case.wires.append(draw(wired(wire, channels * math.prod(kernel))))


@st.composite
def inputs(draw, cell: Cells, what: str) -> tuple[str, Any] | None:
    seed = draw(SEEDS)
    if cell.is_input:
        kind = draw(st.sampled_from(["spikes", "events", "poisson", "bernoulli", None]))
        p = draw(st.sampled_from([0.002, 0.02, 0.1, 0.3]))
        value = {
            "spikes": Chance(p, seed),
            "events": Chance(p, seed),
            "poisson": Uniform(0.0, 2000.0 * p, seed),
            "bernoulli": Uniform(0.0, 2 * p, seed),
        }.get(kind)
    else:
        kind = draw(st.sampled_from(["current", "currents", None]))
        value = Uniform(-1.0, draw(st.sampled_from([3.0, 8.0])), seed)
    return None if kind is None else (kind, value)


@st.composite
def runs(draw, case: Case, batch: int) -> Do:
    act = Do("run", steps=draw(st.one_of(st.integers(1, 40), st.just(130))))
    for cell in case.cells:
        given = draw(inputs(cell, "run"))
        if given:
            act.inputs[cell.name] = given
    few = st.sampled_from([False, False, False, True])
    neurons = [c for c in case.cells if not c.is_input]
    for key, chance in (("clamp", 0.05), ("unclamp", 0.2)):
        if draw(few):
            cell = draw(st.sampled_from(case.cells))
            act.options[key] = {cell.name: (Chance(chance, draw(SEEDS)), draw(st.booleans()))}
    if neurons and draw(few):
        cell = draw(st.sampled_from(neurons))
        ramp = Uniform(-2.0, 4.0, draw(SEEDS))
        act.options["inject_v"] = {cell.name: (ramp, draw(st.booleans()))}
    dense = [w for w in case.wires if learns(w)]
    if dense and draw(few):
        act.options["masks"] = {draw(st.sampled_from(dense)).name: Chance(0.3, draw(SEEDS))}
    act.options["normalize"] = draw(st.booleans())
    return rewarded(draw, case, act)


def rewarded(draw, case: Case, act: Do) -> Do:
    """Give a reward, where one is asked for."""
    rules = {w.rule for w in case.wires}
    if rules & {"MSTDP", "MSTDPET"}:
        one = draw(st.sampled_from([1.0, -0.5, 0.3]))
        each = Uniform(-1.0, 1.0, draw(SEEDS))
        act.options["reward"] = one if "MSTDPET" in rules or draw(st.booleans()) else each
    return act


@st.composite
def presents(draw, case: Case, batch: int) -> Do:
    act = Do("present", steps=draw(st.integers(1, 25)), samples=draw(st.integers(1, 4)))
    for cell in case.cells:
        given = draw(inputs(cell, "present"))
        if given:
            act.inputs[cell.name] = given
    names = [c.name for c in case.cells]
    act.options["count"] = draw(st.lists(st.sampled_from(names), unique=True))
    act.options["reset"] = draw(st.booleans())
    if batch == 1 and not case.monitors and draw(st.booleans()):
        least, tries = draw(st.integers(1, 30)), draw(st.integers(1, 3))
        act.options["retry"] = Retry(draw(st.sampled_from(names)), least, 0.5, tries)
    return rewarded(draw, case, act)


@st.composite
def monitors(draw, case: Case) -> list[dict[str, Any]]:
    out = []
    for _ in range(draw(st.integers(0, 3))):
        if case.wires and draw(st.booleans()):
            wire = draw(st.sampled_from(case.wires))
            owner, variable, width = wire.name, "w", 1
        else:
            cell = draw(st.sampled_from(case.cells))
            variable = "v" if not cell.is_input and draw(st.booleans()) else "spike"
            owner, width = cell.name, cell.n
        index = draw(st.sampled_from([None, [0], [width - 1, 0]]))
        if variable == "w" and wire.wiring == "Sparse":
            index = None  # there may be no synapse
        shape = {"every": draw(st.integers(1, 5)), "capacity": draw(st.sampled_from([None, 1, 7]))}
        out.append({"owner": owner, "variable": variable, "index": index, **shape})
    return out


@st.composite
def others(draw, case: Case) -> Do:
    """Something between two runs."""
    dense = [w.name for w in case.wires if learns(w)]
    plastic = [w.name for w in case.wires if w.rule in PAIRS]
    some = [*["write"] * bool(dense), *["rule"] * bool(plastic)]
    what = draw(st.sampled_from(["reset", "train", "batch", *some]))
    options: dict[str, Any] = {
        "reset": lambda: {},
        "train": lambda: {"mode": draw(st.booleans())},
        "batch": lambda: {"size": draw(st.sampled_from([1, 2, 3]))},
        "write": lambda: {"name": draw(st.sampled_from(dense)), "factor": 0.5},
        "rule": lambda: {"name": draw(st.sampled_from(plastic)), "nu_post": 0.2},
    }[what]()
    return Do(what, options=options)


@st.composite
def cases(draw, max_acts: int = 3, structured: bool = False) -> Case:
    """A network of one to four populations and one to three things done with it.

    structured: with convolutions and the like, and up to four populations more.
    """
    dt, batch = draw(st.sampled_from([1.0, 0.5])), draw(st.sampled_from([1, 1, 3]))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=2))
    case = Case(dt, batch, draw(st.integers(0, 2**64 - 1)), [], [], [], [])
    for k in range(draw(st.integers(1, 4))):
        model = draw(st.sampled_from([*NEURONS, *["Input"] * (6 if k else 20)]))
        case.cells.append(draw(cells(f"p{k}", draw(st.sampled_from(sizes)), model)))
    targets = [c for c in case.cells if not c.is_input]
    for k in range(draw(st.integers(0, 4)) if targets else 0):
        ends = draw(st.sampled_from(case.cells)), draw(st.sampled_from(targets))
        case.wires.append(draw(wires(f"c{k}", *ends, ("Sparse", "MeanField") * structured)))
    for _ in range(draw(st.integers(1, 2)) if structured else 0):
        draw(windows(case))
    case.monitors = draw(monitors(case))
    for _ in range(draw(st.integers(1, max_acts))):
        if case.story and draw(st.booleans()):
            act = draw(others(case))
            batch = act.options.get("size", batch)
            case.story.append(act)
        kind = draw(st.sampled_from([runs, runs, presents]))
        case.story.append(draw(kind(case, batch)))
    return case
