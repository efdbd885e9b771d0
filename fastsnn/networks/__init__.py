# SPDX-License-Identifier: Apache-2.0
"""Networks that ship with fastsnn, by name, with the statistics that they are checked against.

>>> net = NETWORKS["microcircuit"].make(scale=0.1, seed=1)
"""

from fastsnn.networks import (
    brunel,
    hpc_benchmark,
    izhikevich_2003,
    microcircuit,
    polychronization,
    song_miller_abbott,
    vogels_abbott,
)
from fastsnn.networks.recipe import Expected, Recipe

NETWORKS: dict[str, Recipe] = {
    recipe.name: recipe
    for module in (
        vogels_abbott,
        brunel,
        hpc_benchmark,
        izhikevich_2003,
        polychronization,
        song_miller_abbott,
        microcircuit,
    )
    for recipe in module.RECIPES
}

__all__ = ["NETWORKS", "Expected", "Recipe"]
