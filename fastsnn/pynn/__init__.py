# SPDX-License-Identifier: Apache-2.0
# what a backend offers is found by name: everything imported here is public
# ruff: noqa: F401
"""A PyNN backend: `import fastsnn.pynn as sim`; docs/pynn.md.

Importing it makes `pyNN.fastsnn` importable as well.
"""

import sys as _sys

from fastsnn.optional import need as _need

_need("pyNN", "fastsnn[pynn]", "fastsnn.pynn")

import pyNN as _pyNN  # noqa: E402
from pyNN import errors, random, space  # noqa: E402
from pyNN.connectors import *  # noqa: E402, F403
from pyNN.network import Network  # noqa: E402
from pyNN.random import GSLRNG, NumpyRNG, RandomDistribution  # noqa: E402
from pyNN.space import Space  # noqa: E402
from pyNN.standardmodels import StandardCellType as _StandardCellType  # noqa: E402

from fastsnn.pynn.cells import *  # noqa: E402, F403
from fastsnn.pynn.composed import *  # noqa: E402, F403
from fastsnn.pynn.control import (  # noqa: E402
    connect,
    create,
    end,
    get_current_time,
    get_max_delay,
    get_min_delay,
    get_time_step,
    initialize,
    num_processes,
    rank,
    record,
    record_gsyn,
    record_v,
    reset,
    run,
    run_for,
    run_until,
    set,
    setup,
)
from fastsnn.pynn.electrodes import *  # noqa: E402, F403
from fastsnn.pynn.populations import Assembly, Population, PopulationView  # noqa: E402
from fastsnn.pynn.projections import Projection  # noqa: E402
from fastsnn.pynn.simulator import state  # noqa: E402
from fastsnn.pynn.synapses import *  # noqa: E402, F403
from fastsnn.pynn.wirings import NativeRNG  # noqa: E402


def list_standard_models() -> list[str]:
    """Names of the standard cell types that can be used."""
    return [
        name
        for name, found in globals().items()
        if isinstance(found, type)
        and issubclass(found, _StandardCellType)
        and not name.startswith("_")
    ]


# scripts choose a simulator by its name: pyNN.utility.get_simulator, import pyNN.fastsnn
_sys.modules.setdefault("pyNN.fastsnn", _sys.modules[__name__])
_pyNN.fastsnn = _sys.modules[__name__]
