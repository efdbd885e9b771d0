# SPDX-License-Identifier: Apache-2.0
"""Networks as files: safetensors, with the description as JSON in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from fastsnn import connectivity, features, models, structured
from fastsnn.errors import FastsnnError, ShapeError
from fastsnn.files import replacing
from fastsnn.models.declare import Model
from fastsnn.sparse.description import describe, rebuild

if TYPE_CHECKING:
    from fastsnn.compartments import LiveFeature
    from fastsnn.features import Feature
    from fastsnn.network import Network

FORMAT = 1
# names have no dots, so that no state tensor's name begins like this
_OPTION = ".option."


def state_dict(net: Network) -> dict[str, Tensor]:
    """Live tensors of everything that a run changes; "step" and "learning" are copies."""
    out = {"step": torch.tensor(net.step), "learning": torch.tensor(net.learning)}
    for p in net.populations.values():
        out |= {f"{p.name}.{k}": v for k, v in p.variables().items()}
        out |= {f"{p.name}.{k}.head": v for k, v in p.heads.items()}
        out |= {f"{p.name}.{k}.arriving": v for k, v in p.arriving.items()}
    for c in net.projections.values():
        out |= {f"{c.name}.{k}": v for k, v in c.variables().items()}
    return out


def load_state_dict(net: Network, state: Mapping[str, Tensor]) -> None:
    """Put a state back, after checking all of it."""
    own = state_dict(net)
    missing, unknown = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or unknown:
        what = (
            f"'{missing[0]}' is missing"
            if missing
            else f"'{unknown[0]}' is not part of this network"
        )
        raise ShapeError(f"load_state_dict: {what}.")
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            raise ShapeError(
                f"load_state_dict: '{name}' is {tuple(state[name].shape)}, expected "
                f"{tuple(tensor.shape)}."
            )
    for c in net.projections.values():
        if not connectivity.all_finite(state[f"{c.name}.w"]):
            raise ShapeError(f"load_state_dict: '{c.name}.w' holds NaN or infinity.")
    for name, tensor in own.items():
        tensor.copy_(state[name])
    net.step, net.learning = int(state["step"]), bool(state["learning"])
    for c in net.projections.values():
        c.remember()


def save(net: Network, path: str | Path) -> None:
    """Write description and state."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in state_dict(net).items()}

    def keep(key: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return float(value) if value.numel() == 1 else whole(key, value)

    def whole(key: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        tensors[_OPTION + key] = value.detach().cpu().clone()
        return {"tensor": _OPTION + key}

    def model(key: str, m: Model) -> dict[str, Any]:
        params = {k: keep(f"{key}.{k}", v) for k, v in m.values.items() if not _absent(m, k, v)}
        return {"name": type(m).__name__, "params": params}

    def feature(key: str, live: LiveFeature) -> dict[str, Any]:
        if live.amount is not None:
            # a function cannot be kept, but what it gave
            live.settle(key)
            tensors[key] = live.amount.detach().cpu().clone()
        return {
            "name": type(live.feature).__name__,
            "rule": model(key, live.feature.rule) if live.feature.rule else None,
            "options": {k: parts(f"{key}.{k}", v) for k, v in live.options().items()},
        }

    def parts(key: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return [whole(f"{key}.{k}", v) for k, v in enumerate(value)]
        return value

    description = {
        "format": FORMAT,
        "dt": net.dt,
        "batch_size": net.batch_size,
        "seed": net.seed,
        "dtype": str(net.dtype).removeprefix("torch."),
        "populations": [
            {
                "name": p.name,
                "model": model(p.name, p.model),
                "shape": list(p.shape),
                "traces": p.trace_kind != "none",
                "traces_additive": p.trace_kind == "additive",
                "tau_trace": keep(f"{p.name}.tau_trace", p.tau_trace),
                "trace_scale": keep(f"{p.name}.trace_scale", p.trace_scale),
                "sum_input": p.sum_input,
                "one_spike": p.one_spike,
            }
            for p in net.populations.values()
        ],
        "projections": [
            {
                "name": c.name,
                "source": c.source.name,
                "target": c.target.name,
                "connectivity": c.wiring.__name__,
                "wiring": {
                    k: whole(f"{c.name}.wiring.{k}", v) for k, v in c.wiring_options().items()
                },
                "receptor": c.port,
                "rule": model(c.name, c.rule) if c.rule else None,
                "w_min": keep(f"{c.name}.w_min", c.w_min),
                "w_max": keep(f"{c.name}.w_max", c.w_max),
                "norm": c.norm,
                "weight_decay": c.weight_decay,
                "reduction": c.reduction,
                "bias": keep(f"{c.name}.bias", c.bias),
                "features": [feature(f"{c.name}.{k}", f) for k, f in c.features.items()],
                "delay_kind": "dendritic" if c.dendritic else "axonal",
                "short_term": model(f"{c.name}.terminal", c.terminal.model) if c.terminal else None,
            }
            for c in net.projections.values()
        ],
        "sparse": [
            {
                "name": c.name,
                "source": c.source.name,
                "target": c.target.name,
                "receptor": c.port,
                "wiring": describe(c.wiring, c.name, whole),
            }
            for c in net.sparse.values()
        ],
        "drives": [
            {
                "name": d.name,
                "target": d.target.name,
                "receptor": d.port,
                "drive": describe(d.drive, d.name, whole),
            }
            for d in net.drives.values()
        ],
    }
    data = to_bytes(tensors, metadata={"fastsnn": json.dumps(description)})
    with replacing(path) as file:
        file.write(data)


def load(path: str | Path, own_models: Sequence[type] = (), **options: Any) -> Network:
    """Read a file of `save`.

    Raises FastsnnError when the file is no network file, or a model's class is not known.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("fastsnn", "{}")
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except Exception as error:  # safetensors raises a type of its own for every kind of damage
        raise FastsnnError(f"'{path}' is no readable safetensors file: {error}") from error
    try:
        description = json.loads(text)
        found = description.get("format")
    except (ValueError, AttributeError) as error:
        raise FastsnnError(f"'{path}' holds no readable description: {error}.") from error
    if found != FORMAT:
        raise FastsnnError(f"'{path}' holds no network of format {FORMAT} (found {found!r}).")
    known = {name: getattr(models, name) for name in models.__all__} | {
        m.__name__: m for m in own_models
    }
    try:
        net = _build(description, tensors, known, options)
    except (KeyError, TypeError, AttributeError) as error:
        raise FastsnnError(f"'{path}' holds a damaged description: {error!r}.") from error
    load_state_dict(net, {k: v for k, v in tensors.items() if not k.startswith(_OPTION)})
    return net


def _build(
    description: dict[str, Any],
    tensors: dict[str, Tensor],
    known: dict[str, Any],
    options: dict[str, Any],
) -> Network:
    from fastsnn.network import Network

    def get(value: Any) -> Any:
        return tensors[value["tensor"]] if isinstance(value, dict) else value

    def model(spec: dict[str, Any] | None) -> Any:
        if spec is None:
            return None
        if spec["name"] not in known:
            raise FastsnnError(
                f"The file uses the model '{spec['name']}'; pass its class: models=[...]."
            )
        return known[spec["name"]](**{k: get(v) for k, v in spec["params"].items()})

    def feature(spec: dict[str, Any]) -> Feature:
        options = {
            k: tuple(map(get, v)) if isinstance(v, list) else v for k, v in spec["options"].items()
        }
        if spec["rule"]:
            options["rule"] = model(spec["rule"])
        return features.KINDS[spec["name"]](0, **options)

    wirings = structured.wirings()
    options = {"dtype": getattr(torch, description.get("dtype", "float32")), **options}
    net = Network(description["dt"], description["batch_size"], description["seed"], **options)
    for p in description["populations"]:
        flags = {k: p[k] for k in ("shape", "traces", "traces_additive", "sum_input", "one_spike")}
        net.population(
            p["name"],
            model(p["model"]),
            tau_trace=get(p["tau_trace"]),
            trace_scale=get(p["trace_scale"]),
            **flags,
        )
    for c in description["projections"]:
        flags = {k: c[k] for k in ("name", "norm", "weight_decay", "reduction", "delay_kind")}
        net.projection(
            c["source"],
            c["target"],
            wirings[c["connectivity"]](
                w=0.0, **{k: get(v) for k, v in c.get("wiring", {}).items()}
            ),
            rule=model(c["rule"]),
            short_term=model(c.get("short_term")),
            receptor=c.get("receptor"),
            w_min=get(c["w_min"]),
            w_max=get(c["w_max"]),
            bias=None if c["bias"] is None else torch.as_tensor(get(c["bias"])),
            features=[feature(f) for f in c.get("features", ())],
            **flags,
        )
    for c in description.get("sparse", ()):
        net.projection(
            c["source"], c["target"], rebuild(c["wiring"], get), name=c["name"],
            receptor=c["receptor"],
        )  # fmt: skip
    for d in description.get("drives", ()):
        net.drive(d["target"], rebuild(d["drive"], get), name=d["name"], receptor=d["receptor"])
    return net


def _absent(model: Model, name: str, value: Any) -> bool:
    """A parameter that was not given and has no default is left out of the file."""
    default = getattr(model.params[name], "default", None)
    return default is None and value == getattr(model.params[name], "absent", None)
