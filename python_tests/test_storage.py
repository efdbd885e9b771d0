# SPDX-License-Identifier: Apache-2.0
"""Networks as files: everything comes back, and what is no network is told so."""

from __future__ import annotations

import json
import os
import stat

import pytest
import torch
from own_models import Restless, Triplet
from safetensors.torch import save_file

from fastsnn import (
    AllButOne,
    Bernoulli,
    Dense,
    FastsnnError,
    Network,
    OneToOne,
    ShapeError,
    models,
)


def rich(backend: str) -> Network:
    """A network with every option that a file must hold."""
    net = Network(dt=0.5, batch_size=3, seed=2**63 + 5, backend=backend)
    net.population("in", models.Input(), shape=(5, 3), traces=True, tau_trace=7.0)
    threshold = torch.linspace(-60.0, -55.0, 15)
    net.population(
        "a", models.CurrentLIF(v_thresh=threshold, lbound=-70.0), 15, traces=True, sum_input=True,
        traces_additive=True, tau_trace=torch.linspace(5.0, 20.0, 15, dtype=torch.float64),
        trace_scale=torch.linspace(0.5, 1.0, 15),
    )  # fmt: skip
    kernel = models.CSRM(response_kernel="alpha", v_thresh=5.0, tau=2.0, res_window=5.0)
    net.population("b", kernel, 15, one_spike=True)
    net.population("dc", models.DiehlAndCook(), 15, one_spike=False)
    draw = torch.Generator().manual_seed(3)
    net.projection(
        "in", "a", Dense(torch.rand(15, 15, generator=draw)), rule=models.Hebbian(nu_post=0.01),
        w_min=-torch.rand(15, 15, generator=draw), w_max=2.0, reduction="max", name="h",
        bias=torch.rand(15, generator=draw), weight_decay=0.01, norm=8.0,
    )  # fmt: skip
    net.projection("a", "b", Dense(), rule=models.MSTDP(nu=0.01, tau_plus=9.0), name="m")
    net.projection("b", "a", OneToOne(torch.rand(15, generator=draw)))
    net.projection("dc", "dc", AllButOne(-0.5))
    return net


def run(net: Network, time: float = 20) -> Network:
    source = Bernoulli(torch.full((15,), 0.2))
    net.run(time, {"in": source, "dc": torch.full((15,), 4.0)}, reward=0.3)
    return net


def assert_same(got: Network, want: Network) -> None:
    """Same description, same state."""
    assert str(got) == str(want)
    mine, other = got.state_dict(), want.state_dict()
    assert list(mine) == list(other)
    for name, tensor in other.items():
        assert torch.equal(mine[name], tensor), name


def test_file_brings_everything_back_and_goes_on_bit_for_bit(tmp_path, backend):
    net = run(rich(backend))
    net.train(False)
    net.save(tmp_path / "net.safetensors")
    back = Network.load(tmp_path / "net.safetensors", backend=backend, threads=2)
    assert back.learning is False
    assert_same(back, net)
    for name, p in net.populations.items():
        other = back.populations[name]
        assert (other.shape, other.one_spike) == (p.shape, p.one_spike)
        assert other.tau_trace.dtype == torch.float64
        for key in ("tau_trace", "trace_scale"):
            assert torch.equal(getattr(other, key), getattr(p, key)), key
    for name, c in net.projections.items():
        other = back.projections[name]
        for key in ("norm", "weight_decay", "reduction", "kind"):
            assert getattr(other, key) == getattr(c, key), key
        for key in ("w_min", "w_max"):
            assert torch.equal(getattr(other, key), getattr(c, key)), key
    assert torch.equal(back.projections["h"].bias, net.projections["h"].bias)
    net.train()
    back.train()
    assert_same(run(back), run(net))


def test_file_is_safetensors_with_json(tmp_path):
    run(rich("torch")).save(tmp_path / "net")
    data = (tmp_path / "net").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    description = json.loads(header["__metadata__"]["fastsnn"])
    assert [p["name"] for p in description["populations"]] == ["in", "a", "b", "dc"]
    assert header["h.w"]["shape"] == [15, 15]
    assert b"pickle" not in data


def test_one_tensor_may_be_several_parameters(tmp_path):
    same = torch.linspace(-66.0, -65.0, 4, dtype=torch.float64)
    net = Network(backend="torch")
    scale = torch.linspace(1.0, 2.0, 4, dtype=torch.float64)
    net.population(
        "a", models.LIF(v_rest=same, v_reset=same), 4, traces=True, tau_trace=scale,
        trace_scale=scale,
    )  # fmt: skip
    net.save(tmp_path / "net")
    back = Network.load(tmp_path / "net").populations["a"].model
    assert torch.equal(back.values["v_reset"], same)


def test_names_may_look_like_those_of_the_file_format(tmp_path):
    net = Network(backend="torch")
    net.population("option/a", models.LIF(v_rest=torch.tensor([-65.0, -64.0])), 2)
    net.population("ünï cøde → x", models.IF(), 2)
    net.projection("option/a", "ünï cøde → x", Dense(0.5), name="option/w")
    net.save(tmp_path / "net")
    assert_same(Network.load(tmp_path / "net", backend="torch"), net)


def test_own_models_come_back_with_their_classes(tmp_path, backend):
    net = Network(backend=backend)
    net.population("in", models.Input(), 31)
    net.population("out", Restless(noise=0.5, tau_m=torch.linspace(5.0, 30.0, 63)), 63)
    net.projection("in", "out", Dense(0.5), rule=Triplet(a2=0.02), w_max=2.5, name="t")
    source = {"in": Bernoulli(torch.full((31,), 0.2))}
    net.run(20, source)
    net.save(tmp_path / "net")
    with pytest.raises(FastsnnError, match=r"uses the model 'Restless'; pass its class: models=\["):
        Network.load(tmp_path / "net")
    back = Network.load(tmp_path / "net", models=[Restless, Triplet], backend=backend)
    assert_same(back, net)
    back.run(20, source)
    net.run(20, source)
    assert_same(back, net)


def test_what_is_no_network_file_is_told(tmp_path):
    path = tmp_path / "net"
    with pytest.raises(FileNotFoundError):
        Network.load(path)
    rich("torch").save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"hello", whole[:100], whole[:-1], whole[:8] + b"x" + whole[9:]):
        path.write_bytes(damaged)
        with pytest.raises(FastsnnError, match=r"net' is no readable safetensors file"):
            Network.load(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(FastsnnError, match=r"net' holds no network of format 1 \(found None\)"):
        Network.load(path)
    lame = {"format": 1, "dt": 1.0, "batch_size": 1, "seed": 0, "populations": [{"name": "a"}]}
    for text in ('{"format": 99}', "{", "[]", '{"format": 1}', json.dumps(lame)):
        save_file({"a": torch.zeros(3)}, path, metadata={"fastsnn": text})
        with pytest.raises(FastsnnError, match=r"net'"):
            Network.load(path)


@pytest.mark.parametrize("moment", ["open", "fsync", "replace"])
def test_interrupted_save_leaves_the_old_file_whole(moment, tmp_path, monkeypatch):
    path = tmp_path / "net"
    run(rich("torch")).save(path)
    old = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(*(("pathlib.Path.open",) if moment == "open" else (os, moment)), fail)
        with pytest.raises(OSError, match="disk full"):
            run(rich("torch")).save(path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_saved_file_has_the_rights_that_any_new_file_gets(tmp_path):
    rich("torch").save(tmp_path / "net")
    (tmp_path / "plain").touch()
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("net", "plain")]
    assert rights[0] == rights[1]


def test_state_of_another_network_is_refused_and_nothing_changes():
    net = run(rich("torch"))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = dict(before)
    for name, tensor, told in (
        ("a.v", torch.zeros(3, 14), r"'a.v' is \(3, 14\), expected \(3, 15\)"),
        ("a.v", None, "'a.v' is missing"),
        ("a.u", torch.zeros(3, 15), "'a.u' is not part of this network"),
        ("h.w", torch.full((15, 15), torch.nan), "'h.w' holds NaN or infinity"),
        ("m.w", torch.full((15, 15), torch.inf), "'m.w' holds NaN or infinity"),
    ):
        given = {**state, "a.x": torch.ones(3, 15)}
        given = {k: v for k, v in given.items() if k != name}
        if tensor is not None:
            given[name] = tensor
        with pytest.raises(ShapeError, match=f"load_state_dict: {told}"):
            net.load_state_dict(given)
        for key, value in net.state_dict().items():
            assert torch.equal(value, before[key]), key
