# SPDX-License-Identifier: Apache-2.0
"""Networks as files: safetensors, with all that is no tensor as JSON in the header.

The JSON lists objects by class and attributes.  Reading makes objects of our own classes, and of
those that the caller names, and runs no code of the file.
"""

from __future__ import annotations

import importlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.nn import Module, Parameter

from fastsnn.bindsnet.network._live import frozen
from fastsnn.errors import FastsnnError
from fastsnn.files import replacing

if TYPE_CHECKING:
    from fastsnn.bindsnet.network.network import Network

FORMAT = "fastsnn.bindsnet 1"
_HOME = "fastsnn."
_REDUCTIONS = ("sum", "mean", "squeeze", "amax", "amin", "max", "min", "median", "prod")


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


class _Writer:
    """Turns objects into JSON and a table of tensors; what is met twice is written once."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.tensors: dict[str, Tensor] = {}
        self.seen: dict[int, Any] = {}
        self.alive: list[Any] = []  # so that no id is used twice

    def value(self, x: Any, where: str) -> Any:
        """JSON of a value."""
        if x is None or isinstance(x, bool | int | str):
            return x
        if isinstance(x, float):
            return {"float": repr(x)}
        if isinstance(x, Tensor):
            return self._once(x, lambda: self._tensor(x))
        if isinstance(x, list | tuple | set):
            kind = type(x).__name__ if type(x) in (list, tuple, set) else "list"
            return {kind: [self.value(v, where) for v in x]}
        if isinstance(x, dict):
            pairs = [[self.value(k, where), self.value(v, f"{where}.{k}")] for k, v in x.items()]
            return {"ordered" if isinstance(x, OrderedDict) else "dict": pairs}
        if isinstance(x, torch.dtype | torch.device):
            return {type(x).__name__: str(x).removeprefix("torch.")}
        if isinstance(x, type):
            return {"class": _path(x)}
        name = getattr(x, "__name__", "")
        if name in _REDUCTIONS and getattr(torch, name) is x:
            return {"torch": name}
        if (callable(x) and not isinstance(x, Module) and not hasattr(x, "__dict__")) or _code(x):
            raise FastsnnError(
                f"Network.save: {where} is {x!r}, and code is not saved. Save "
                f"network.state_dict() instead, and load it into a network built anew."
            )
        return self._once(x, lambda: self._object(x, where))

    def _once(self, x: Any, write: Any) -> Any:
        if id(x) not in self.seen:
            self.alive.append(x)
            self.seen[id(x)] = write()
        return self.seen[id(x)]

    def _tensor(self, x: Tensor) -> Any:
        name = f"t{len(self.tensors)}"
        data = x.detach().cpu()
        self.tensors[name] = (data.to_dense() if data.is_sparse else data).contiguous().clone()
        return {"tensor": name, "parameter": isinstance(x, Parameter), "sparse": data.is_sparse}

    def _object(self, x: Any, where: str) -> Any:
        index = len(self.objects)
        self.seen[id(x)] = {"object": index}
        self.objects.append(None)
        passing = getattr(type(x), "transient", ())
        state = {k: v for k, v in vars(x).items() if k not in passing}
        self.objects[index] = {
            "class": _path(type(x)),
            "state": [[k, self.value(v, f"{where}.{k}")] for k, v in state.items()],
        }
        return {"object": index}


def _code(x: Any) -> bool:
    return type(x).__name__ in ("function", "method", "builtin_function_or_method", "partial")


class _Reader:
    """The way back."""

    def __init__(self, objects: list[Any], tensors: dict[str, Tensor], classes: Any) -> None:
        self.objects, self.tensors = objects, tensors
        self.classes = {_path(c): c for c in classes}
        self.made: dict[Any, Any] = {}

    def value(self, x: Any) -> Any:
        """The value of its JSON."""
        if not isinstance(x, dict):
            return x
        kind, content = next(iter(x.items()))
        if kind == "float":
            return float(content)
        if kind in ("list", "tuple", "set"):
            return {"list": list, "tuple": tuple, "set": set}[kind](map(self.value, content))
        if kind in ("dict", "ordered"):
            pairs = [(self.value(k), self.value(v)) for k, v in content]
            return OrderedDict(pairs) if kind == "ordered" else dict(pairs)
        if kind == "dtype" or (kind == "torch" and content in _REDUCTIONS):
            return getattr(torch, content)
        if kind == "device":
            return torch.device(content)
        if kind == "class":
            return self._class(content)
        if kind == "tensor":
            return self._tensor(x)
        if kind == "object":
            return self._object(content)
        raise FastsnnError(f"load: the file holds an unknown kind of value, {kind!r}.")

    def _tensor(self, x: dict[str, Any]) -> Tensor:
        name = x["tensor"]
        if name not in self.made:
            data = self.tensors[name].to_sparse() if x["sparse"] else self.tensors[name]
            self.made[name] = frozen(data) if x["parameter"] else data
        return self.made[name]

    def _object(self, index: int) -> Any:
        if index not in self.made:
            written = self.objects[index]
            made = self.made[index] = object.__new__(self._class(written["class"]))
            state = {key: self.value(value) for key, value in written["state"]}
            if hasattr(made, "__setstate__"):
                made.__setstate__(state)
            else:
                made.__dict__.update(state)
        return self.made[index]

    def _class(self, path: str) -> type:
        if path in self.classes:
            return self.classes[path]
        module, _, name = path.partition(":")
        if not module.startswith(_HOME):
            raise FastsnnError(
                f"load: the file holds an object of your class {name} ({module}); give it: "
                f"load(..., classes=[{name.rpartition('.')[2]}])."
            )
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, type):
            raise FastsnnError(f"load: there is no class {path} in this version.")
        return found


def save(net: Network, path: str | Path) -> None:
    """Write a network; see `Network.save`."""
    writer = _Writer()
    root = writer.value(net, type(net).__name__)
    text = json.dumps({"root": root, "objects": writer.objects})
    data = to_bytes(writer.tensors, {"format": FORMAT, "network": text})
    with replacing(path) as file:
        file.write(data)


def load(
    path: str | Path, map_location: str | torch.device = "cpu", classes: Sequence[type] = ()
) -> Network:
    """Read a network; see `fastsnn.bindsnet.network.load`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with safe_open(str(path), "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise FastsnnError(
            f"load: {path} is no file of Network.save ({error}). Files that BindsNET pickled are "
            f"not read: they may hold any code. Save state_dict() there, and load it here."
        ) from error
    if header.get("format") != FORMAT:
        raise FastsnnError(
            f"load: {path} has format {header.get('format')!r}, expected {FORMAT!r}."
        )
    tensors = {name: data.to(map_location) for name, data in tensors.items()}
    written = json.loads(header["network"])
    return _Reader(written["objects"], tensors, classes).value(written["root"])
