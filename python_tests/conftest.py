# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests: every backend of the CPU, a seed, big data where it is at hand.

The backends of a GPU are tested for equal bits (test_parity, test_replicas, test_golden); where
there is no GPU, by Triton's interpreter (test_triton) and an emulation of CUDA (test_cuda).
"""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import places
import pytest
import torch
from hypothesis import HealthCheck, settings

import fastsnn
from fastsnn import backends

if find_spec("triton"):
    # whether Triton interprets is decided when it is imported, whichever test comes first
    import interpreting  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]

# where the tests run in the background of a shell, Ctrl-C is ignored, by their children too
signal.signal(signal.SIGINT, signal.default_int_handler)

# times vary on shared machines; in CI the same examples run every time
_quiet = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("home", **_quiet)
settings.register_profile("ci", derandomize=True, **_quiet)
settings.load_profile("ci" if os.environ.get("CI") else "home")

# the tensors of the tests are small: more threads would only wait for each other
torch.set_num_threads(1)


def pytest_report_header() -> list[str]:
    """Say what is tested: the place of the package, and which backends can run."""
    lines = [f"fastsnn {fastsnn.__version__} from {Path(fastsnn.__file__).parent}"]
    return lines + [f"  backend {name}: {why}" for name, why in backends.explain().items()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `backend` once per backend at home on the CPU, every test that
    asks for `place` once per backend and device."""
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [p for p in places.usable() if p in ("cpu", "torch")])
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places.usable())


@pytest.fixture(autouse=True)
def seed() -> int:
    """Seed torch; the number for what draws by itself."""
    torch.manual_seed(0)
    return 0


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the data that are too big to ship: $FASTSNN_DATA, else `shared/data` beside the
    checkout.  A test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("FASTSNN_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; set FASTSNN_DATA")
    return folder


@pytest.fixture(scope="session")
def mnist(data: Path) -> Path:
    """Folder with all of MNIST."""
    if not (data / "mnist").is_dir():
        pytest.skip(f"no folder {data / 'mnist'}")
    return data / "mnist"
