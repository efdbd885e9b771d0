# SPDX-License-Identifier: Apache-2.0
"""Layers for training: their engines agree, gradients are those of autograd, torch's tools work."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastsnn import models
from fastsnn.errors import BackendError, ModelError, ShapeError
from fastsnn.lowering import gradient, sequences
from fastsnn.models import Neuron, Param, Var
from fastsnn.models.driven import MODELS
from fastsnn.models.driven import Leaky as LeakyModel
from fastsnn.models.language import abs, exp, log, maximum, minimum, sqrt, where
from fastsnn.models.surrogates import BY_NAME, SURROGATES
from fastsnn.nn import IF, LIF, CubaLIF, EachStep, JumpLIF, Leaky, Neurons, Synaptic, ops, reference
from fastsnn.nn import native as compiled
from fastsnn.nn.calls import Call, Gradients

native = pytest.mark.skipif(
    compiled.obstacle(MODELS[0], torch.zeros(1)) is not None, reason="no native engine"
)
RESETS = ("value", "subtract", "none")


def call_of(
    model: type[Neuron], reset: str, per_neuron: bool, surrogate: str = "atan", **options: Any
) -> Call:
    """A call of an odd size whose neurons fire now and then."""
    delayed = {"delayed": options.pop("delayed")} if "delayed" in options else {}
    given = model(reset=reset, v_reset=0.1, **delayed).argument_values(1.0)
    param = torch.tensor([float(given[k]) for k in model.step_params()])
    n, steps = options.pop("n", 77), options.pop("steps", 23)
    if per_neuron:
        param = param[:, None] * (1 + 0.1 * torch.rand(len(param), n))
    strength = 12.0 if "decay" in model.step_params() else 1.0
    x = strength * (1.5 * torch.randn(steps, n) + 0.5)
    state = 0.3 * torch.randn(len(model.state()), n)
    return Call(x, state, param.requires_grad_(), model, True, "v", surrogate, 2.0, **options)


def assert_same_gradients(got: Any, want: Any) -> None:
    """Equal to 1e-5 of the largest."""
    for a, b in zip(got, want, strict=True):
        scale = float(b.abs().max()) if b.numel() else 0.0
        torch.testing.assert_close(a, b, atol=1e-5 * max(scale, 1e-3), rtol=1e-5)


@native
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("per_neuron", [False, True])
def test_kernels_give_the_bits_and_gradients_of_the_reference(
    model: type[Neuron], reset: str, per_neuron: bool
) -> None:
    kinds = [{}, {"delayed": 1.0}] if "delayed" in model.params else [{}]
    for options, through in itertools.product(kinds, (True, False)):
        call = call_of(model, reset, per_neuron, through_reset=through, **options)
        want, got = reference.forward(call), compiled.forward(call)
        assert 0.02 < float(want.spike.mean()) < 0.98
        assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
        grads = Gradients(*(torch.randn_like(t) for t in want))
        made = reference.backward(call, grads)
        assert float(made[0].abs().max()) > 1e-3
        assert_same_gradients(compiled.backward(call, grads), made)


@native
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate_has_a_gradient_and_it_is_that_of_the_reference(surrogate: str) -> None:
    call = call_of(LeakyModel, "subtract", False, surrogate)
    grads = Gradients(torch.randn_like(call.x), None, None)
    want, got = reference.backward(call, grads), compiled.backward(call, grads)
    assert float(want[0].abs().mean()) > 1e-4
    assert_same_gradients(got, want)


@native
def test_shapes_at_the_edges_and_threads_change_no_bit() -> None:
    threads = torch.get_num_threads()
    try:
        for n, steps in ((1, 1), (15, 3), (16, 2), (33, 300), (5000, 40), (0, 4), (3, 0)):
            call = call_of(LeakyModel, "subtract", False, n=n, steps=steps)
            grads = Gradients(torch.randn_like(call.x), None, None)
            want, back = reference.forward(call), reference.backward(call, grads)
            for count in (1, 3):
                torch.set_num_threads(count)
                got = compiled.forward(call)
                assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True)), (n, steps)
                assert_same_gradients(compiled.backward(call, grads)[:2], back[:2])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", [n for n in SURROGATES if n != "straight_through"])
def test_surrogates_are_bumps_of_the_area_that_they_say(name: str) -> None:
    u = torch.linspace(-400, 400, 4_000_001, dtype=torch.float64)
    slope = BY_NAME[name](u, torch.tensor(2.0, dtype=torch.float64))
    area = {"fast_sigmoid": 1.0, "superspike": 4.0, "triangle": 2.0}.get(name, 1.0)
    assert float(torch.trapezoid(slope, u)) == pytest.approx(area, abs=2e-2)
    assert int(slope.argmax()) == 2_000_000
    assert torch.isfinite(BY_NAME[name](torch.tensor([-3e38, 3e38]), torch.tensor(25.0))).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_without_spikes_gradients_are_exact_derivatives(model: type[Neuron]) -> None:
    # 0 would be a place where the model itself jumps
    options = {"delayed": 0.5} if "delayed" in model.params else {}
    call = call_of(model, "none", True, n=3, steps=6, through_reset=False, **options)
    inputs = [t.detach().double().requires_grad_() for t in (call.x, call.state, call.param)]

    def course(x: Tensor, state: Tensor, param: Tensor) -> Tensor:
        return reference.differentiable(call.of(x, state, param)).trail

    assert torch.autograd.gradcheck(course, inputs)


@native
@pytest.mark.parametrize(("spike", "trail"), [(True, "v"), (True, ""), (False, "v")])
def test_operator_passes_torchs_own_checks(spike: bool, trail: str) -> None:
    call = call_of(LeakyModel, "subtract", False, n=6, steps=4)
    args = (call.x.requires_grad_(), call.state.requires_grad_(), call.param, "Leaky", spike,
            trail, "atan", 2.0, True, "auto")  # fmt: skip
    torch.library.opcheck(ops.advance, args)
    grads = (torch.randn_like(call.x) if spike else None, torch.randn_like(call.x) if trail else
             None, None)  # fmt: skip
    plain = [a.detach() if isinstance(a, Tensor) else a for a in args]
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(ops.advance_backward, (*grads, *plain, True), test_utils=tests)


def small() -> nn.Sequential:
    """A convolution and two layers of neurons, of which one learns."""
    torch.manual_seed(3)
    return nn.Sequential(
        EachStep(nn.Conv2d(2, 4, 3, padding=1)),
        LIF(2.0, reset="subtract", v_thresh=0.1),
        nn.Flatten(2),
        nn.Linear(4 * 25, 6),
        Leaky(0.9, learn=["beta", "v_thresh"], v_thresh=0.3),
    )


def gradients(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Of a weighted sum of the output by every parameter."""
    out = net(x)
    (out * torch.linspace(-1, 2, out.numel()).view_as(out)).sum().backward()
    return {k: p.grad for k, p in net.named_parameters()}  # type: ignore[misc]


def test_training_has_the_gradients_of_plain_autograd() -> None:
    x = torch.rand(12, 3, 2, 5, 5)
    net, plain = small(), small()
    for layer in plain:
        if isinstance(layer, Neurons):
            layer.backend = "torch"
    assert torch.equal(net(x), plain(x))
    made, want = gradients(net, x), gradients(plain, x)
    assert all(float(g.abs().max()) > 1e-4 for g in want.values())
    assert_same_gradients(made.values(), want.values())


def test_compiled_model_is_one_graph_and_gives_the_same() -> None:
    x = torch.rand(6, 2, 2, 5, 5)
    net = small()
    fast = torch.compile(copy.deepcopy(net), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(fast(x), net(x))
    assert_same_gradients(gradients(fast, x).values(), gradients(net, x).values())


def test_under_autocast_neurons_count_in_float32() -> None:
    x = torch.rand(6, 2, 2, 5, 5)
    net = small()
    with torch.autocast("cpu", torch.bfloat16):
        out = net(x)
        assert net[3](torch.rand(2, 100)).dtype == torch.bfloat16
    assert out.dtype == torch.float32
    assert all(torch.isfinite(g).all() for g in gradients(net, x).values())


class Spikes(torch.utils.data.Dataset):
    """Items made by a layer, in whatever process."""

    def __init__(self) -> None:
        self.layer = IF(0.5)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, k: int) -> Tensor:
        return self.layer(torch.full((5, 1, 3000), 0.1 * k))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_layers_work_in_workers_of_a_loader(context: str) -> None:
    data = Spikes()
    want = torch.stack([data[k] for k in range(6)])
    loader = torch.utils.data.DataLoader(
        data, batch_size=6, num_workers=1, multiprocessing_context=context
    )
    assert torch.equal(next(iter(loader)), want)
    assert 0 < float(want.mean()) < 1


def test_state_dicts_files_and_copies_hold_what_was_learnt() -> None:
    x = torch.rand(6, 2, 2, 5, 5)
    net, other = small(), small()
    net[4].beta.data.fill_(0.5)
    net[4].v_thresh.data.fill_(0.05)
    want = net(x)
    assert not torch.equal(other(x), want)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for again in (other, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(again(x), want)


def test_channels_last_input_stays_as_it_lies() -> None:
    x = torch.rand(4, 2, 3, 5, 6).permute(0, 1, 4, 2, 3)
    for layer in (LIF(2.0, v_thresh=0.3), LIF(2.0, v_thresh=torch.rand(6, 1, 1))):
        made = layer(x)
        assert torch.equal(made, layer(x.contiguous()))
        assert made.stride() == x.stride()
        assert 0.05 < float(made.mean()) < 0.95
    strided = torch.rand(4, 2, 20)[..., ::2]
    assert torch.equal(LIF(2.0)(strided), LIF(2.0)(strided.contiguous()))


@pytest.mark.parametrize("layer", [IF(), LIF(), CubaLIF(), JumpLIF(), Leaky(), Synaptic()], ids=str)
def test_a_sequence_in_two_pieces_is_the_sequence(layer: Neurons) -> None:
    x = 3 * torch.rand(20, 2, 7)
    whole = layer.advance(x, trail="v")
    first = layer.advance(x[:9], trail="v")
    rest = layer.advance(x[9:], first.state, trail="v")
    assert torch.equal(torch.cat((first.spike, rest.spike)), whole.spike)
    assert torch.equal(torch.cat((first.trail, rest.trail)), whole.trail)
    assert torch.equal(rest.state["v"], whole.trail[-1])
    assert layer(x).mean() > 0


class Odd(Neuron):
    """A model that uses every word with a derivative."""

    tau, v_thresh = Param(3.0, gt=0), Param(1.0)
    v, w = Var(), Var(init=0.5)

    def step(v, w, i_syn, tau, v_thresh):
        w = w + (maximum(v, 0.2) - w) / tau
        u = minimum(i_syn, 2.0) * exp(-w) + sqrt(abs(w) + 0.1) - log(w * w + 1.0)
        v = v / tau + u
        low = v < 0.9 * v_thresh
        spike = ~low & ((w < 2.0) | (v > 3.0))
        v = where(spike, v - v_thresh, v)
        return v, w, spike


def test_any_model_of_the_language_can_be_a_layer() -> None:
    x = torch.rand(15, 4, 5) + 0.5
    own = Neurons(Odd, v_thresh=1.4)
    assert 0.1 < float(own(x).mean()) < 0.9
    assert own.advance(x).state.keys() == {"v", "w"}
    lif = Neurons(models.LIF, dt=1.0, v_thresh=0.8, v_rest=0.0, v_reset=0.0, t_refrac=2.0)
    spikes = lif(x)
    assert spikes.sum() > 0
    assert not (spikes[1:] * spikes[:-1]).any()


def test_models_that_cannot_be_layers_say_why() -> None:
    for model, why in ((models.SRM0, "uses rand"), (models.CSRM, "uses dot"),
                       (models.DiehlAndCook, "uses over_batch"), (models.Input, "")):  # fmt: skip
        with pytest.raises(ModelError, match=f"{model.__name__} cannot be a layer.*{why}"):
            Neurons(model)


def test_derivatives_of_every_word_are_right() -> None:
    derived = gradient.adjoint(Odd)
    assert set(derived.of) == {"v", "w", "i_syn", "tau", "v_thresh"}
    given = (torch.rand(6, 5) + 0.5, torch.rand(2, 5), torch.tensor([3.0, 0.9]))
    call = Call(*(t.double() for t in given), Odd, False, "v", through_reset=False)
    inputs = [t.clone().requires_grad_() for t in (call.x, call.state, call.param)]
    assert torch.autograd.gradcheck(
        lambda *given: reference.differentiable(call.of(*given)).trail, inputs
    )


def test_generated_header_and_pages_are_current(root: Path) -> None:
    header = root / "csrc" / "nn" / "models.gen.h"
    if header.exists():
        assert header.read_text() == sequences.header(), "run `python -m fastsnn.lowering`"
    script = (root / "docs" / "nn.md").read_text().split("```python\n")[1].split("```")[0]
    space: dict[str, Any] = {}
    exec(script, space)
    assert torch.isfinite(space["loss"])
    assert space["net"][1].v_thresh.grad is not None


def test_mistakes_are_told_before_anything_runs() -> None:
    with pytest.raises(ModelError, match="no parameter 'taum'"):
        LIF(taum=3.0)
    with pytest.raises(ModelError, match="'reset' is no number"):
        LIF(learn=["reset"])
    with pytest.raises(ModelError, match="surrogate='arctan'"):
        LIF(surrogate="arctan")
    with pytest.raises(ModelError, match="alpha=-1"):
        LIF(alpha=-1.0)
    with pytest.raises(ModelError, match="output='i'"):
        LIF(output="i")
    with pytest.raises(ModelError, match="backend='gpu'"):
        LIF(backend="gpu")
    with pytest.raises(ShapeError, match=r"\(3,\).*\[T, B"):
        LIF()(torch.zeros(3))
    with pytest.raises(ShapeError, match=r"torch\.int64"):
        LIF()(torch.zeros(3, 2, 2, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"'tau_m' is \(4,\)"):
        LIF(torch.full((4,), 2.0))(torch.zeros(3, 2, 5))
    with pytest.raises(ShapeError, match="state has w, expected v"):
        LIF()(torch.zeros(3, 2, 5), {"w": torch.zeros(2, 5)})
    with pytest.raises(BackendError, match="cannot run this layer"):
        Neurons(Odd, backend="cpu")(torch.zeros(3, 2, 5))
    assert "tau_m=3" in repr(LIF(3.0))
