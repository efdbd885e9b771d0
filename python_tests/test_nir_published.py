# SPDX-License-Identifier: Apache-2.0
"""NIR graphs that others published: what they give, and that they come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from nir_graphs import assert_same, engine

from fastsnn.nir import GraphError, load, save

nir = pytest.importorskip("nir")

__all__ = ["engine"]  # a fixture

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "nir"
published = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample graphs are not here")
BRAILLE = {
    "braille_noDelay_bias_zero": "value",
    "braille_noDelay_noBias_subtract": "subtract",
}


@published
@pytest.mark.parametrize(("name", "reset"), BRAILLE.items())
def test_recurrent_braille_graphs_give_the_published_bits(
    name: str, reset: str, engine: str
) -> None:
    stored = np.load(SAMPLES / "braille_random_input_reference.npz")
    net = load(SAMPLES / f"{name}.nir", dt=1e-4, reset=reset, backend=engine)
    made = net.run(torch.from_numpy(stored[f"{name}/x"])[:, None], record=["lif1.lif"])
    assert stored[f"{name}/numpy_lif1"].sum() > 40
    assert np.array_equal(made.recorded["lif1.lif"][:, 0], stored[f"{name}/numpy_lif1"])
    assert np.array_equal(made.output[:, 0], stored[f"{name}/norse_lif2"])


@published
@pytest.mark.parametrize("name", ["lif_norse", "nirtorch_tests_lif_norse", "snntorch_tests_lif"])
def test_lif_trace_is_the_published_one_bit_for_bit(name: str, engine: str) -> None:
    x, v, spike = np.loadtxt(SAMPLES / "nir_lif_traces/lif_norse.csv", delimiter=",").T
    net = load(SAMPLES / f"{name}.nir", dt=1e-4, reset="value", backend=engine)
    made = net.run(torch.from_numpy(x).float()[:, None, None], record=["1:v"])
    assert np.array_equal(made.recorded["1:v"][:, 0, 0], v.astype(np.float32))
    assert np.array_equal(made.output[:, 0, 0], spike)
    assert np.flatnonzero(spike).tolist() == [460, 510, 710, 760]


@published
@pytest.mark.parametrize(
    "name", ["lif_exact", "lif_nengo", "lif_snntorch", "lif_spinnaker2", "lif_norse"]
)
def test_spikes_are_those_of_the_simulators_that_agree(name: str) -> None:
    theirs = np.loadtxt(SAMPLES / f"nir_lif_traces/{name}.csv", delimiter=",")[:, 2]
    x = np.loadtxt(SAMPLES / "nir_lif_traces/lif_norse.csv", delimiter=",")[:, 0]
    net = load(SAMPLES / "lif_norse.nir", dt=1e-4, reset="value")
    made = net.run(torch.from_numpy(x).float()[:, None, None]).output[:, 0, 0]
    assert np.flatnonzero(made).tolist() == np.flatnonzero(theirs).tolist()


@published
def test_convolutional_graph_runs_alike_on_all_backends() -> None:
    x = (torch.rand(12, 2, 2, 34, 34, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    nets = [load(SAMPLES / "cnn_sinabs.nir", dt=1.0, reset="value", backend=b) for b in
            ("torch", "auto")]  # fmt: skip
    outputs = [net.run(x, record=["1", "6"]) for net in nets]
    assert outputs[0].output.shape == (12, 2, 10)
    assert outputs[0].recorded["6"].sum() > 100
    for key in ("1", "6"):
        assert torch.equal(outputs[0].recorded[key], outputs[1].recorded[key])
    assert torch.equal(outputs[0].output, outputs[1].output)


@published
@pytest.mark.parametrize(
    "name",
    [*BRAILLE, "lif_norse", "cnn_sinabs", "two_lif_neurons", "nirtorch_tests_braille"],
)
def test_published_graphs_come_back_exactly(name: str, tmp_path: Path) -> None:
    before = nir.read(SAMPLES / f"{name}.nir")
    net = load(SAMPLES / f"{name}.nir", dt=1e-4, reset=BRAILLE.get(name, "value"))
    save(net, tmp_path / "again.nir")
    assert_same(nir.read(tmp_path / "again.nir"), before)


@published
@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("braille_noDelay_bias_zero_subgraph", "lif"),
        ("braille_noDelay_noBias_subtract_subgraph", "lif"),
        ("lif_rockpool", "1_LIFNeuronTorch"),
    ],
)
def test_malformed_files_name_the_node(name: str, node: str) -> None:
    with pytest.raises(GraphError, match=node):
        load(SAMPLES / f"{name}.nir", dt=1e-4, reset="value")
