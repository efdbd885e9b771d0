# SPDX-License-Identifier: Apache-2.0
"""What BindsNET scripts do, a case for each feature; imports nothing of fastsnn.

Run as a script it is one side of `bench.dropin`: it times the cases that its input names, with the
package that it is given, in whatever interpreter has that package.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

Run = Callable[[], Any]
STEPS = 100
# weights up to wmax make a layer spike in some 3 % of the steps
BARE: tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]] = ((784,), (400,), {})
DENSE = ((784,), (400,), {"wmin": 0.0, "wmax": 0.1})


class Package:
    """The modules of BindsNET, or of what stands for it, by the last parts of their names."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, module: str) -> Any:
        inner = f"network.{module}" if module in ("nodes", "topology", "monitors") else module
        return importlib.import_module(f"{self.name}.{inner}")


def random_spikes(*shape: int, steps: int = STEPS, rate: float = 0.015) -> Tensor:
    """Spikes [steps, *shape], the same for both sides."""
    drawn = torch.Generator().manual_seed(1)
    return (torch.rand(steps, *shape, generator=drawn) < rate).byte()


def network(
    b: Package, x: Any, y: Any, connect: Callable[[Any, Any], Any], learning: bool = True
) -> Run:
    """A run of X -> Y over STEPS steps; gives the number of spikes of Y."""
    net = b.network.Network()
    net.add_layer(x, "X")
    net.add_layer(y, "Y")
    net.add_connection(connect(x, y), "X", "Y")
    monitor = b.monitors.Monitor(y, ["s"], time=STEPS)
    net.add_monitor(monitor, "Y")
    net.train(learning)
    given = random_spikes(1, *x.shape)

    def run() -> int:
        net.run({"X": given}, STEPS, reward=0.5)
        spikes = monitor.get("s")
        net.reset_state_variables()
        return int(spikes.sum())

    return run


def nodes(b: Package, kind: str, **options: Any) -> Run:
    """A layer of 400, driven by 100 inputs."""
    w = 8.0 * torch.rand(100, 400)
    y = getattr(b.nodes, kind)(n=400, traces=True, **options)
    return network(b, b.nodes.Input(n=100), y, lambda x, y: b.topology.Connection(x, y, w=w))


def connection(
    b: Package,
    kind: str,
    sizes: tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]],
    rule: str | None = None,
    nodes: str = "AdaptiveLIFNodes",
    learning: bool = True,
    **more: Any,
) -> Run:
    """One connection from an input to a layer; sizes: of input and layer, arguments."""
    source, target, options = sizes
    x = b.nodes.Input(shape=source, traces=True, traces_additive=rule == "Rmax")
    y = getattr(b.nodes, nodes)(shape=target, traces=True)
    if rule:
        more |= {"update_rule": getattr(b.learning, rule), "nu": (1e-4, 1e-2)}
    make = getattr(b.topology, kind)
    return network(b, x, y, lambda x, y: make(x, y, **options, **more), learning)


def sparse(b: Package) -> Run:
    """Every tenth synapse of a dense connection."""
    w = torch.rand(784, 400) * (torch.rand(784, 400) < 0.1)
    return connection(b, "SparseConnection", BARE, w=w)


def compartments(b: Package, features: Callable[[Any, Any], list[Any]]) -> Run:
    """A connection made of features: a function of the modules of features and of rules."""
    x = b.nodes.Input(n=784, traces=True)
    y = b.nodes.LIFNodes(shape=[400], traces=True)
    rules = importlib.import_module(f"{b.name}.learning.MCC_learning")
    kind = importlib.import_module(f"{b.name}.network.topology_features")
    pipeline = features(kind, rules)
    make = b.topology.MulticompartmentConnection
    return network(b, x, y, lambda x, y: make(x, y, "cpu", pipeline))


def weight(kind: Any, rule: Any = None) -> Any:
    """The feature that delivers, learning or not."""
    learns = {} if rule is None else {"learning_rule": rule, "nu": (1e-4, 1e-2)}
    return kind.Weight("weight", 0.1 * torch.rand(784, 400), range=[0.0, 0.1], **learns)


def diehl_cook(b: Package, n: int) -> Run:
    """An image of the Diehl & Cook network."""
    net = b.models.DiehlAndCook2015(
        784, n_neurons=n, exc=22.5, inh=120, theta_plus=0.05, norm=78.4, inpt_shape=(1, 28, 28)
    )
    monitor = b.monitors.Monitor(net.layers["Ae"], ["s"], time=250)
    net.add_monitor(monitor, "Ae")
    given = random_spikes(1, 1, 28, 28, steps=250, rate=0.015)

    def run() -> None:
        net.run({"X": given}, 250)
        monitor.get("s")
        net.reset_state_variables()

    return run


def encoding(b: Package, name: str, **options: Any) -> Run:
    """An image of 784 pixels over 250 steps, the same random numbers."""
    pixels = torch.Generator().manual_seed(1)
    image = torch.rand(784, generator=pixels) * (torch.rand(784, generator=pixels) < 0.2)
    if name == "poisson":
        image *= 128.0
    encode = getattr(b.encoding, name)

    def run() -> Tensor:
        torch.manual_seed(1)
        return encode(image.clone(), time=250, **options)

    return run


def evaluation(b: Package, name: str) -> Run:
    """Labels or predictions for 250 recordings of 250 steps and 400 neurons."""
    spikes = random_spikes(250, 400, steps=250)
    labels = torch.arange(250) % 10
    e = b.evaluation
    given = e.assign_labels(spikes, labels, 10)
    calls = {
        "assign_labels": lambda: e.assign_labels(spikes, labels, 10)[1],
        "all_activity": lambda: e.all_activity(spikes, given[0], 10),
        "proportion_weighting": lambda: e.proportion_weighting(spikes, given[0], given[1], 10),
    }
    return calls[name]


def ngrams(b: Package, predict: bool) -> Run:
    """Runs of two spikes in 50 recordings of 100 steps and 100 neurons."""
    spikes, labels = random_spikes(100, 100, steps=50, rate=0.01), torch.arange(50) % 10
    e = b.evaluation
    scores = e.update_ngram_scores(spikes, labels, 10, 2, {})
    if predict:
        return lambda: e.ngram(spikes, scores, 10, 2)
    return lambda: e.update_ngram_scores(spikes, labels, 10, 2, {}) and None


def logistic(b: Package, predict: bool) -> Run:
    """A logistic regression on 250 counts of 100 neurons."""
    from sklearn.linear_model import LogisticRegression

    counts = random_spikes(250, 100, steps=100).sum(0).float()
    labels = torch.arange(250) % 10
    model = b.evaluation.logreg_fit(counts, labels, LogisticRegression(max_iter=200))
    if predict:
        return lambda: b.evaluation.logreg_predict(counts, model)
    return lambda: b.evaluation.logreg_fit(counts, labels, model) and None


def recording(b: Package, what: str) -> Run:
    """100 steps of 784 -> 400 LIF neurons, recorded; reset alone; records taken out alone."""
    net = b.network.Network()
    x, y = b.nodes.Input(n=784), b.nodes.LIFNodes(n=400)
    net.add_layer(x, "X")
    net.add_layer(y, "Y")
    net.add_connection(b.topology.Connection(x, y, w=torch.rand(784, 400)), "X", "Y")
    if what == "NetworkMonitor":
        monitor = b.monitors.NetworkMonitor(net, state_vars=("s", "v"), time=STEPS)
    else:
        monitor = b.monitors.Monitor(y, ["s", "v"], time=STEPS)
    net.add_monitor(monitor, "monitor")
    given = random_spikes(1, 784)

    def run() -> None:
        net.run({"X": given}, STEPS)
        monitor.get() if what == "NetworkMonitor" else monitor.get("v")

    net.run({"X": given}, STEPS)
    return {
        "get": lambda: monitor.get("v"),
        "reset": net.reset_state_variables,
    }.get(what, run)


def data(b: Package, name: str) -> Run:
    """What surrounds a run: batches, layouts of weights."""
    trains = [{"encoded_image": random_spikes(1, 28, 28, steps=250), "label": 3}]
    w = torch.rand(784, 400)
    kernels = torch.rand(25, 1, 16, 16)
    calls = {
        "time_aware_collate": lambda: b.datasets.collate.time_aware_collate(trains),
        "get_square_weights": lambda: b.utils.get_square_weights(w, 20, 28),
        "get_square_assignments": lambda: b.utils.get_square_assignments(torch.arange(400), 20),
        "reshape_conv2d_weights": lambda: b.utils.reshape_conv2d_weights(kernels),
    }
    return calls[name]


def plot(b: Package, name: str) -> Run:
    """A picture brought up to date where nobody sees it."""
    p = importlib.import_module(f"{b.name}.analysis.plotting")
    spikes = {"Y": random_spikes(400, steps=250).bool()}
    v = {"Y": torch.rand(250, 400)}
    image = torch.rand(28, 28)

    def classes() -> Tensor:
        return torch.randint(10, (20, 20)).float()

    calls: dict[str, Callable[..., Any]] = {
        "plot_input": lambda a=None, i=None: p.plot_input(image, image, 3, axes=a, ims=i),
        "plot_spikes": lambda i=None, a=None: p.plot_spikes(spikes, ims=i, axes=a),
        "plot_voltages": lambda i=None, a=None: p.plot_voltages(v, ims=i, axes=a, plot_type="line"),
        "plot_weights": lambda i=None: (p.plot_weights(torch.rand(560, 560), im=i),),
        "plot_assignments": lambda i=None: (p.plot_assignments(classes(), im=i),),
    }
    drawn = [calls[name]()]

    def run() -> None:
        drawn[0] = calls[name](*drawn[0])

    return run


CONV2D = ((1, 28, 28), (25, 4, 4), {"kernel_size": 16, "stride": 4, "wmin": 0.0, "wmax": 0.3})
_PATCHES = {"kernel_size": 12, "stride": 4, "n_filters": 25, "wmin": 0.0, "wmax": 0.5}
_CUBES = {"kernel_size": 4, "stride": 2, "wmin": 0.0, "wmax": 1.2}
LOCAL2D = ((1, 28, 28), (25, 5, 5), _PATCHES)
WIRINGS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "Connection": DENSE,
    "Conv1dConnection": (
        (1, 784), (16, 190), {"kernel_size": 28, "stride": 4, "wmin": 0.0, "wmax": 2.5},
    ),
    "Conv2dConnection": CONV2D,
    "Conv3dConnection": ((1, 8, 14, 14), (16, 3, 6, 6), _CUBES),
    "LocalConnection": ((784,), (625,), _PATCHES),
    "LocalConnection1D": (
        (1, 784), (10, 97),
        {"kernel_size": 16, "stride": 8, "n_filters": 10, "wmin": 0.0, "wmax": 5.0},
    ),
    "LocalConnection2D": LOCAL2D,
    "LocalConnection3D": ((1, 8, 14, 14), (8, 3, 6, 6), _CUBES | {"n_filters": 8}),
}  # fmt: skip
POOLS = {
    "MaxPool1dConnection": ((16, 256), (16, 128), {"kernel_size": 2, "stride": 2}),
    "MaxPool2dConnection": ((16, 24, 24), (16, 12, 12), {"kernel_size": 2, "stride": 2}),
    "MaxPoo3dConnection": ((8, 8, 12, 12), (8, 4, 6, 6), {"kernel_size": 2, "stride": 2}),
}
FEATURES: dict[str, Callable[[Any, Any], list[Any]]] = {
    "Weight": lambda f, r: [weight(f)],
    "Weight, PostPre": lambda f, r: [weight(f, r.PostPre)],
    "Weight, MSTDP": lambda f, r: [weight(f, r.MSTDP)],
    "Weight, MSTDPET": lambda f, r: [weight(f, r.MSTDPET)],
    "Mask": lambda f, r: [f.Mask("mask", torch.rand(784, 400) < 0.5), weight(f)],
    "Bias": lambda f, r: [weight(f), f.Bias("bias", torch.rand(784, 400) / 7840)],
    "Intensity": lambda f, r: [f.Intensity("intensity", torch.rand(784, 400)), weight(f)],
    "Probability": lambda f, r: [f.Probability("probability", torch.rand(784, 400)), weight(f)],
}
CASES: dict[str, Callable[[Package], Run]] = {
    **{
        f"nodes: {kind}": partial(nodes, kind=kind)
        for kind in ("McCullochPitts", "IFNodes", "LIFNodes", "BoostedLIFNodes", "CurrentLIFNodes",
                     "AdaptiveLIFNodes", "IzhikevichNodes", "SRM0Nodes", "CSRMNodes")
    },
    "nodes: DiehlAndCookNodes": partial(nodes, kind="DiehlAndCookNodes", one_spike=False),
    **{f"static: {k}": partial(connection, kind=k, sizes=s) for k, s in WIRINGS.items()},
    "static: SparseConnection": sparse,
    "static: MeanFieldConnection": partial(connection, kind="MeanFieldConnection", sizes=BARE),
    **{
        f"static: {kind}": partial(
            connection, kind=kind, sizes=sizes, nodes="IFNodes", learning=False, decay=0.1
        )
        for kind, sizes in POOLS.items()
    },
    **{
        f"PostPre: {kind}": partial(connection, kind=kind, sizes=sizes, rule="PostPre")
        for kind, sizes in WIRINGS.items()
    },
    **{
        f"rule: {rule}": partial(connection, kind="Connection", sizes=DENSE, rule=rule)
        for rule in ("WeightDependentPostPre", "Hebbian", "MSTDP", "MSTDPET")
    },
    "rule: Rmax": partial(
        connection, kind="Connection", sizes=DENSE, rule="Rmax", nodes="SRM0Nodes"
    ),
    **{
        f"{kind}: {rule}": partial(connection, kind=kind, sizes=sizes, rule=rule)
        for kind, sizes in (("Conv2dConnection", CONV2D), ("LocalConnection2D", LOCAL2D))
        for rule in ("WeightDependentPostPre", "Hebbian", "MSTDP")
    },
    **{f"feature: {k}": partial(compartments, features=make) for k, make in FEATURES.items()},
    **{f"network: Diehl & Cook, {n}": partial(diehl_cook, n=n) for n in (100, 400)},
    **{
        f"encoding: {name}": partial(encoding, name=name)
        for name in ("poisson", "bernoulli", "rank_order", "repeat", "single")
    },
    "encoding: poisson, approx": partial(encoding, name="poisson", approx=True),
    **{
        f"evaluation: {name}": partial(evaluation, name=name)
        for name in ("assign_labels", "all_activity", "proportion_weighting")
    },
    "evaluation: update_ngram_scores": partial(ngrams, predict=False),
    "evaluation: ngram": partial(ngrams, predict=True),
    "evaluation: logreg_fit": partial(logistic, predict=False),
    "evaluation: logreg_predict": partial(logistic, predict=True),
    **{
        f"around: {name}": partial(recording, what=what)
        for name, what in (("Monitor", "Monitor"), ("NetworkMonitor", "NetworkMonitor"),
                           ("Monitor.get", "get"), ("reset_state_variables", "reset"))
    },
    **{
        f"around: {name}": partial(data, name=name)
        for name in ("time_aware_collate", "get_square_weights", "get_square_assignments",
                     "reshape_conv2d_weights")
    },
    **{
        f"plot: {name}": partial(plot, name=name)
        for name in ("plot_input", "plot_spikes", "plot_voltages", "plot_weights",
                     "plot_assignments")
    },
}  # fmt: skip


def outcome(result: Any) -> Any:
    """A number that both sides must agree on, None where there is none."""
    if isinstance(result, Tensor):
        result = result.double().flatten()
        return float((result * torch.arange(1, len(result) + 1)).sum())
    return result if isinstance(result, int | float) else None


def serve(package: str, threads: int) -> None:
    """Answer each line [name, seconds] with the outcome and the seconds of calls."""
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    ready: dict[str, Run] = {}
    # what a package prints must not lie between the answers
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        name, budget = json.loads(line)
        answer: dict[str, Any] = {"times": []}
        try:
            if name not in ready:
                torch.manual_seed(0)
                ready = {name: CASES[name](Package(package))}
                answer["outcome"] = outcome(ready[name]())
            while not answer["times"] or sum(answer["times"]) < budget:
                start = time.perf_counter()
                ready[name]()
                answer["times"].append(time.perf_counter() - start)
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
