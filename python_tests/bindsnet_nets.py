# SPDX-License-Identifier: Apache-2.0
"""Golden traces of BindsNET through its own names: build a network of a spec, run it, record it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from fastsnn.bindsnet import conversion, models, network
from fastsnn.bindsnet.learning import MCC_learning, learning
from fastsnn.bindsnet.network import nodes, topology, topology_features
from fastsnn.bindsnet.network.monitors import Monitor

LAYER_VARIABLES = ("v", "s", "x", "refrac_count", "theta", "u", "i", "summed", "s_prob")


class Golden:
    """One golden trace file."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays = {k: file[k] for k in file.files if k != "meta"}
            self.spec = json.loads(str(file["meta"]))["spec"]

    def value(self, v):
        """Resolve references to arrays, rules, functions of torch and features."""
        if isinstance(v, str):
            head, _, name = v.partition(":")
            if v.startswith("@"):
                return torch.from_numpy(np.array(self.arrays[v[1:]]))
            known = {"rule": learning, "mcc": MCC_learning, "torch": torch}
            return getattr(known[head], name) if name else v
        if isinstance(v, list):
            return [self.value(x) for x in v]
        if isinstance(v, dict) and "__feature__" in v:
            kind, kwargs = v["__feature__"]
            return getattr(topology_features, kind)(**self.value(kwargs))
        return {k: self.value(x) for k, x in v.items()} if isinstance(v, dict) else v

    def build(self):
        """The network, with the stored initial weights and parameters."""
        spec = self.spec
        torch.manual_seed(spec["seed"])
        if "model" in spec:
            kind, kwargs = spec["model"]
            net = getattr(models, kind)(**self.value(kwargs))
        else:
            net = network.Network(
                spec.get("dt", 1.0), spec.get("batch_size", 1), spec.get("learning", True)
            )
            for name, kind, kwargs in spec["layers"]:
                home = nodes if hasattr(nodes, kind) else conversion
                net.add_layer(getattr(home, kind)(**self.value(kwargs)), name)
            for source, target, kind, kwargs in spec["connections"]:
                ends = (net.layers[source], net.layers[target])
                made = getattr(topology, kind)(*ends, **self.value(kwargs))
                net.add_connection(made, source, target)
        self._impose(net)
        return net

    def _impose(self, net):
        for key, array in self.arrays.items():
            value = torch.from_numpy(np.array(array))
            if key.startswith("izh_"):
                _, name, variable = key.split("_", 2)
                setattr(net.layers[name], variable, value)
            elif key.startswith("w0_") and not key.endswith("_firing_rates"):
                pair, _, feature = key[3:].partition("_")
                connection = net.connections[tuple(pair.split(">"))]
                index = getattr(connection, "feature_index", None)
                if isinstance(connection, topology.SparseConnection):
                    connection.store(value)
                else:
                    (index[feature].value if index else connection.w).copy_(value)

    def run(self, net) -> dict[str, np.ndarray]:
        """Run everything; returns what was recorded under the keys of the file."""
        for name, layer in net.layers.items():
            have = [v for v in LAYER_VARIABLES if f"{v}_{name}" in self.arrays]
            net.add_monitor(Monitor(layer, have), name)
        weights = dict(self._weights(net))
        for key, (owner, variable) in weights.items():
            net.add_monitor(Monitor(owner, [variable]), key)
        torch.manual_seed(self.spec["seed"] + 1)
        out: dict[str, list[np.ndarray]] = {}
        first = 0
        for run in self.spec["runs"]:
            before = self._rows(net, weights) if run.get("reset") else {}
            if run.get("reset"):
                net.reset_state_variables()
            if "train" in run:
                net.train(run["train"])
            steps = int(run["time"] / net.dt)
            kwargs = {k: self._forced(k, v) for k, v in run.get("kwargs", {}).items()}
            if net.backend != "torch":
                kwargs["replay"] = self._replay(net, first, steps)
            first += steps
            net.run(
                {k: self.value(v) for k, v in run.get("inputs", {}).items()},
                run["time"],
                run.get("one_step", False),
                **kwargs,
            )
            for rows in (before, self._rows(net, weights)):
                for key, value in rows.items():
                    out.setdefault(key, []).append(value)
            for key, (owner, variable) in weights.items():
                end = getattr(owner, variable).detach()
                end = end.to_dense() if end.is_sparse else end
                out.setdefault(f"wend_{key[2:]}", []).append(end.numpy().copy()[None])
        return self._thinned({k: np.concatenate(v) for k, v in out.items()})

    def _weights(self, net):
        for key in self.arrays:
            if key.startswith("w_"):
                pair, _, feature = key[2:].partition("_")
                connection = net.connections[tuple(pair.split(">"))]
                if feature == "firing_rates":
                    yield key, (connection, feature)
                elif feature:
                    yield key, (connection.feature_index[feature], "value")
                else:
                    yield key, (connection, "w")

    def _rows(self, net, weights):
        out = {}
        for name, monitor in net.monitors.items():
            for variable in monitor.state_vars:
                rows = monitor.get(variable)
                if len(rows):
                    rows = rows.to_dense() if rows.is_sparse else rows
                    out[name if name in weights else f"{variable}_{name}"] = rows.numpy()
        return out

    def _thinned(self, out):
        every = self.spec.get("record_w", "step")
        if isinstance(every, int):
            out = {k: v[every - 1 :: every] if k.startswith("w_") else v for k, v in out.items()}
        return out

    def _forced(self, what, given):
        if what == "masks":
            return {tuple(k.split(">")): self.value(v).bool() for k, v in given.items()}
        if what in ("clamp", "unclamp"):
            return {k: self.value(v).bool() for k, v in given.items()}
        return self.value(given)

    def _replay(self, net, first, steps):
        draws = {}
        for name in net.layers:
            for key in (f"wta_winner_{name}", f"rng_rand_like_{name}"):
                if key in self.arrays:
                    draws[name] = torch.from_numpy(self.arrays[key][first : first + steps])
        return draws

    def differences(self, ours: dict[str, np.ndarray]) -> list[str]:
        """What differs: spikes at all, floats by more than 1e-5 (relative above 1)."""
        out = []
        for key, got in ours.items():
            want = self.arrays[key]
            if got.shape != want.shape:
                out.append(f"{key}: shape {got.shape}, expected {want.shape}")
            elif key.startswith("s_") and not key.startswith("s_prob"):
                differ = np.argwhere((got != 0) != (want != 0))
                if len(differ):
                    out.append(f"{key}: {len(differ)} spikes differ, first at {differ[0]}")
            else:
                error = np.abs(got.astype(np.float64) - want) / np.maximum(1.0, np.abs(want))
                if not error.max() <= 1e-5:
                    step = np.argwhere(error == error.max())[0][0]
                    out.append(f"{key}: {error.max():.2e} at step {step}")
        return out


def golden_files(folder: Path) -> list[Path]:
    """Every golden trace of a folder."""
    return [p for p in sorted(folder.glob("*.npz")) if p.stem != "encodings"]
