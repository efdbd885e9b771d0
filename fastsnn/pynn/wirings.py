# SPDX-License-Identifier: Apache-2.0
"""PyNN's connectors as wirings that the engine draws itself, where nothing needs a list.

AllToAllConnector and OneToOneConnector with one weight and delay; connectors with a NativeRNG.
"""

from __future__ import annotations

import math
from typing import Any

from pyNN import connectors, random
from pyNN.random import NumpyRNG, RandomDistribution

from fastsnn import sparse
from fastsnn.pynn.populations import Population
from fastsnn.pynn.synapses import StaticSynapse


class NativeRNG(random.NativeRNG):
    """Random numbers of the engine: synapses are drawn when the network is built, by all threads.

    A connector with it, and weights and delays that are numbers or distributions with it, make no
    list.  The network then depends on setup(seed=...).  Where PyNN itself draws, numpy does.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)
        self.parallel_safe = True
        self._numpy = NumpyRNG(seed)

    def next(
        self, n: int | None = None, distribution: Any = None, parameters: Any = None,
        mask: Any = None,
    ) -> Any:  # fmt: skip
        """Numbers from a distribution, drawn by numpy."""
        return self._numpy.next(n, distribution, parameters, mask)


def native(projection: Any, connector: Any) -> sparse.Wiring | None:
    """The wiring of a connector, or None where PyNN has to make the list."""
    if not all(type(p) is Population for p in (projection.pre, projection.post)):
        return None
    synapse = projection.synapse_type
    if type(synapse) is not StaticSynapse or connector.location_selector is not None:
        return None
    numbers = [_value(synapse.native_parameters[k]) for k in ("weight", "delay")]
    if None in numbers:
        return None
    for name, number in zip(("weight", "delay"), numbers, strict=True):
        check = synapse.parameter_checks.get(name)
        if check and connector.safe and isinstance(number, float):
            check(number, projection)
    scale = projection.post.celltype.weight_scale
    made = {"w": numbers[0] * scale, "delay": numbers[1]}
    if isinstance(getattr(connector, "rng", None), NativeRNG):
        return _drawn(connector, made)
    numeric = all(isinstance(n, float) for n in numbers)
    return _fixed(projection, connector, made) if numeric else None


def _fixed(projection: Any, connector: Any, made: dict[str, Any]) -> sparse.Wiring | None:
    if type(connector) is connectors.AllToAllConnector:
        return sparse.AllToAll(autapses=connector.allow_self_connections, **made)
    one_to_one = type(connector) is connectors.OneToOneConnector
    same_size = projection.pre.size == projection.post.size
    return sparse.Pairs(**made) if one_to_one and same_size else None


def _drawn(connector: Any, made: dict[str, Any]) -> sparse.Wiring | None:
    autapses = getattr(connector, "allow_self_connections", True)
    if autapses not in (True, False):
        return None
    made = made | {"autapses": autapses}
    kind = type(connector)
    if kind is connectors.FixedProbabilityConnector:
        return sparse.FixedProbability(float(connector.p_connect), **made)
    made = made | {"multapses": bool(getattr(connector, "with_replacement", False))}
    if not isinstance(getattr(connector, "n", None), int):
        return None
    if kind is connectors.FixedNumberPreConnector:
        return sparse.FixedInDegree(connector.n, **made)
    if kind is connectors.FixedNumberPostConnector:
        return sparse.FixedOutDegree(connector.n, **made)
    if kind is connectors.FixedTotalNumberConnector:
        return sparse.FixedTotalNumber(connector.n, **made)
    return None


def _value(lazy: Any) -> Any:
    """A number or a distribution of ours, or None."""
    if getattr(lazy, "operations", None):
        return None
    base = lazy.base_value
    if isinstance(base, RandomDistribution):
        return _distribution(base) if isinstance(base.rng, NativeRNG) else None
    if callable(base) or not lazy.is_homogeneous:
        return None
    return float(lazy.evaluate(simplify=True)) if lazy.shape else float(base)


def _distribution(given: RandomDistribution) -> sparse.Distribution | None:
    p = given.parameters
    if given.name == "normal":
        return sparse.Normal(p["mu"], p["sigma"])
    if given.name == "normal_clipped":
        return sparse.Normal(p["mu"], p["sigma"], low=p["low"], high=p["high"])
    if given.name == "normal_clipped_to_boundary":
        return sparse.Clipped(sparse.Normal(p["mu"], p["sigma"]), low=p["low"], high=p["high"])
    if given.name == "uniform":
        return sparse.Uniform(p["low"], p["high"])
    if given.name == "exponential":
        return sparse.Exponential(p["beta"])
    if given.name == "lognormal":
        mean = math.exp(p["mu"] + 0.5 * p["sigma"] ** 2)
        return sparse.LogNormal(mean, mean * math.sqrt(math.expm1(p["sigma"] ** 2)))
    return None
