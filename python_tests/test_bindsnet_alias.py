# SPDX-License-Identifier: Apache-2.0
"""Scripts that import bindsnet, unchanged: the alias, and the command that runs them."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import fastsnn.bindsnet
from fastsnn.bindsnet import alias
from fastsnn.errors import FastsnnError

SCRIPT = """\
import argparse
import sys

import bindsnet
import bindsnet.network.nodes as layers
import torch
from bindsnet.learning import PostPre
from bindsnet.network import Network
from bindsnet.network.monitors import Monitor
from bindsnet.network.topology import *

parser = argparse.ArgumentParser()
parser.add_argument("--n", type=int)
n = parser.parse_args().n
net = Network()
net.add_layer(layers.Input(n, traces=True), "X")
net.add_layer(bindsnet.network.nodes.LIFNodes(n, traces=True), "Y")
net.add_connection(
    Connection(net.layers["X"], net.layers["Y"], w=30 * torch.eye(n), update_rule=PostPre, nu=1e-3),
    "X",
    "Y",
)
net.add_monitor(Monitor(net.layers["Y"], "s"), "Y")
net.run({"X": torch.ones(8, 1, n)}, 8)
print(__name__, np.count_nonzero(net.monitors["Y"].get("s").numpy()), Network.__module__)
sys.exit(3)
"""


@pytest.fixture
def script(tmp_path):
    """A script of another package."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_command_runs_a_script_unchanged(script):
    command = [sys.executable, "-m", "fastsnn", "run", "--as", "bindsnet", str(script), "--n", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.split() == ["__main__", "8", "fastsnn.bindsnet.network.network"]


def test_an_error_of_the_script_shows_where_it_happened(script):
    script.write_text("import bindsnet.network\nbindsnet.network.Network(dt=-1)\n")
    command = [sys.executable, "-m", "fastsnn", "run", "--as", "bindsnet", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert "expected a positive time step" in done.stderr


def test_alias_gives_the_same_modules_and_goes_away_again():
    made = alias.install("snn_of_others")
    try:
        nodes = importlib.import_module("snn_of_others.network.nodes")
        assert nodes is importlib.import_module("fastsnn.bindsnet.network.nodes")
        assert nodes.__name__ == nodes.__spec__.name == "fastsnn.bindsnet.network.nodes"
        assert importlib.import_module("snn_of_others").network.nodes is nodes
        with pytest.raises(ModuleNotFoundError, match=r"snn_of_others\.nothing"):
            importlib.import_module("snn_of_others.nothing")
    finally:
        alias.remove(made)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("snn_of_others")


def test_a_module_that_is_imported_already_is_not_replaced():
    with pytest.raises(FastsnnError, match="imported already"):
        alias.install("json")


def test_parts_load_when_they_are_touched():
    code = "import sys, fastsnn.bindsnet as b; print('fastsnn.bindsnet.network' in sys.modules); "
    code += "b.network.Network; print(b.learning.PostPre.__name__, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "PostPre", "False"]
    assert "network" in dir(fastsnn.bindsnet)
    with pytest.raises(AttributeError, match="nothing"):
        _ = fastsnn.bindsnet.nothing
