# SPDX-License-Identifier: Apache-2.0
"""Build a fastsnn network from the description inside a golden trace, run it, and record
everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

import fastsnn
from fastsnn import AllButOne, Dense, Network, OneToOne, models

PARAMETERS = {
    "thresh": "v_thresh", "rest": "v_rest", "reset": "v_reset", "refrac": "t_refrac",
    "tc_decay": "tau_m",
    "tc_i_decay": "tau_i", "tc_theta_decay": "tau_theta", "theta_plus": "theta_plus",
    "lbound": "lbound",
    "eps_0": "eps_0", "rho_0": "rho_0", "d_thresh": "d_thresh", "tau": "tau",
    "res_window_size": "res_window", "ref_window_size": "ref_window", "reset_const": "reset_const",
}  # fmt: skip
OPTIONS = {
    "n": "n", "shape": "shape", "traces": "traces", "traces_additive": "traces_additive",
    "tc_trace": "tau_trace", "trace_scale": "trace_scale", "sum_input": "sum_input",
    "one_spike": "one_spike",
}  # fmt: skip
CLASSES = {
    "Input": models.Input, "McCullochPitts": models.McCullochPitts, "IFNodes": models.IF,
    "LIFNodes": models.LIF, "BoostedLIFNodes": models.BoostedLIF,
    "CurrentLIFNodes": models.CurrentLIF,
    "AdaptiveLIFNodes": models.AdaptiveLIF, "DiehlAndCookNodes": models.DiehlAndCook,
    "IzhikevichNodes": models.Izhikevich, "SRM0Nodes": models.SRM0, "CSRMNodes": models.CSRM,
    "SubtractiveResetIFNodes": models.SubtractiveIF,
}  # fmt: skip
KERNELS = {
    "AlphaKernel": "alpha", "AlphaKernelSLAYER": "alpha_slayer", "LaplacianKernel": "laplacian",
    "ExponentialKernel": "exponential",
}  # fmt: skip
RULES = {
    "PostPre": models.PostPre, "WeightDependentPostPre": models.WeightDependentPostPre,
    "Hebbian": models.Hebbian, "MSTDP": models.MSTDP, "MSTDPET": models.MSTDPET,
    "Rmax": models.Rmax,
}  # fmt: skip
VARIABLES = {"refrac_count": "refrac", "s": "spike"}


class Golden:
    """One golden trace file."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays = {k: file[k] for k in file.files if k != "meta"}
            self.spec = json.loads(str(file["meta"]))["spec"]

    def value(self, v):
        """Resolve "@key" references."""
        if isinstance(v, str) and v.startswith("@"):
            return torch.from_numpy(np.array(self.arrays[v[1:]]))
        return v

    def build(self, **options) -> Network:
        """The network, with the stored initial weights and parameters."""
        spec = self.spec
        net = Network(dt=spec.get("dt", 1.0), batch_size=spec.get("batch_size", 1), **options)
        if "model" in spec:
            {"TwoLayerNetwork": self._two_layer, "DiehlAndCook2015": self._diehl_and_cook,
             "DiehlAndCook2015v2": self._diehl_and_cook_v2}[spec["model"][0]](net,
             dict(spec["model"][1]))  # fmt: skip
        else:
            for layer in spec["layers"]:
                self._layer(net, *layer)
            for connection in spec["connections"]:
                self._connection(net, *connection)
        if not spec.get("learning", True):
            net.train(False)
        return net

    def _layer(self, net, name, kind, kwargs):
        kwargs = {k: self.value(v) for k, v in kwargs.items()}
        params = {PARAMETERS[k]: v for k, v in kwargs.items() if k in PARAMETERS}
        if kind == "CSRMNodes":
            params["response_kernel"] = KERNELS[kwargs["responseKernel"]]
        if kind == "IzhikevichNodes":
            params |= {k: torch.from_numpy(self.arrays[f"izh_{name}_{k}"]) for k in "abcd"}
        options = {OPTIONS[k]: v for k, v in kwargs.items() if k in OPTIONS}
        net.population(name, CLASSES[kind](**params), **options)
        if kind == "IzhikevichNodes":
            lateral = torch.from_numpy(self.arrays[f"izh_{name}_S"])
            net.projection(name, name, Dense(lateral.T))

    def _connection(self, net, source, target, kind, kwargs):
        kwargs = {k: self.value(v) for k, v in kwargs.items()}
        rule = None
        if "update_rule" in kwargs:
            cls = RULES[kwargs["update_rule"].removeprefix("rule:")]
            nu = kwargs.get("nu", 0.0)
            nu = [nu, nu] if isinstance(nu, float) else nu
            params = (
                {"nu_pre": nu[0], "nu_post": nu[1]} if "nu_pre" in cls.params else {"nu": nu[0]}
            )
            params |= {
                p: kwargs[k]
                for k, p in (("tc_plus", "tau_plus"), ("tc_minus", "tau_minus"), ("tc_c", "tau_c"))
                if k in kwargs
            }
            run_kwargs = self.spec["runs"][0].get("kwargs", {})
            params |= {k: run_kwargs[k] for k in ("a_plus", "a_minus") if k in run_kwargs}
            rule = cls(**params)
        norm = kwargs.get("norm")
        if norm is not None and kind == "LocalConnection":
            norm *= kwargs["kernel_size"] ** 2
        net.projection(
            source,
            target,
            self._wiring(net, source, target, kind, kwargs),
            name=f"{source}>{target}",
            rule=rule,
            w_min=kwargs.get("wmin", -torch.inf),
            w_max=kwargs.get("wmax", torch.inf),
            norm=norm,
            weight_decay=kwargs.get("weight_decay", 0.0),
            reduction=str(kwargs.get("reduction", "torch:sum")).removeprefix("torch:"),
            bias=kwargs.get("b"),
        )

    def _wiring(self, net, source, target, kind, kwargs):
        w0 = self.arrays.get(f"w0_{source}>{target}")
        w = None if w0 is None else torch.from_numpy(w0)
        sizes = {k: kwargs[k] for k in ("kernel_size", "stride", "padding", "decay") if k in kwargs}
        dims = len(net.populations[source].shape) - 1
        if kind.startswith("MaxPoo"):
            return getattr(fastsnn, f"MaxPool{dims}d")(**sizes)
        if kind.startswith("Conv"):
            return getattr(fastsnn, f"Conv{dims}d")(w=w, norm_per="kernel", **sizes)
        if kind == "LocalConnection" or kind == "SparseConnection":
            # there, learning adds entries to a sparse matrix
            held = w != 0 if kind == "LocalConnection" else torch.ones_like(w, dtype=torch.bool)
            pre, post = held.nonzero().T
            return fastsnn.Sparse(w[held], pre=pre, post=post)
        if kind.startswith("Local"):
            shape = (w.shape[0], *net.populations[target].shape, *[kwargs["kernel_size"]] * dims)
            return getattr(fastsnn, f"Local{dims}d")(w=w.reshape(shape), **sizes)
        return Dense(w)

    def _plastic(self, net, source, target, key, kwargs):
        nu = kwargs.get("nu", (1e-4, 1e-2))
        net.projection(
            source, target, Dense(torch.from_numpy(self.arrays[key])), name=f"{source}>{target}",
            rule=models.PostPre(nu_pre=nu[0], nu_post=nu[1]), w_min=0.0, w_max=1.0,
            norm=kwargs.get("norm", 78.4),
        )  # fmt: skip

    def _two_layer(self, net, kwargs):
        net.population("X", models.Input(), kwargs["n_inpt"], traces=True)
        net.population("Y", models.LIF(), kwargs["n_neurons"], traces=True)
        self._plastic(net, "X", "Y", "w0_X>Y", kwargs)

    def _excitatory(self, net, name, kwargs):
        model = models.DiehlAndCook(v_reset=-60.0, theta_plus=kwargs.get("theta_plus", 0.05))
        net.population(name, model, kwargs["n_neurons"], traces=True)

    def _diehl_and_cook(self, net, kwargs):
        n = kwargs["n_neurons"]
        net.population("X", models.Input(), kwargs["n_inpt"], traces=True)
        self._excitatory(net, "Ae", kwargs)
        inhibitory = models.LIF(
            v_rest=-60.0, v_reset=-45.0, v_thresh=-40.0, tau_m=10.0, t_refrac=2.0
        )
        net.population("Ai", inhibitory, n)
        self._plastic(net, "X", "Ae", "w0_X>Ae_weight", kwargs)
        net.projection("Ae", "Ai", OneToOne(kwargs["exc"]))
        net.projection("Ai", "Ae", AllButOne(-kwargs["inh"]))

    def _diehl_and_cook_v2(self, net, kwargs):
        net.population("X", models.Input(), kwargs["n_inpt"], traces=True)
        self._excitatory(net, "Y", kwargs)
        self._plastic(net, "X", "Y", "w0_X>Y", kwargs)
        net.projection("Y", "Y", AllButOne(-kwargs.get("inh", 17.5)))

    def recorded(self, net: Network) -> dict[str, tuple[str, str]]:
        """Arrays of the file that our network can record: key -> (owner, variable)."""
        found = {}
        for name, p in net.populations.items():
            for key in ("v", "s", "x", "refrac_count", "theta", "u", "i", "summed", "s_prob"):
                if f"{key}_{name}" in self.arrays and VARIABLES.get(key, key) in p.variables():
                    found[f"{key}_{name}"] = (name, VARIABLES.get(key, key))
        if self.spec.get("record_w") != "end":
            for name, c in net.projections.items():
                for suffix in ("", "_weight"):
                    if f"w_{name}{suffix}" in self.arrays and c.wiring.learns:
                        found[f"w_{name}{suffix}"] = (name, "w")
                if f"w_{name}_firing_rates" in self.arrays:
                    found[f"w_{name}_firing_rates"] = (name, "rate")
        return found

    def run(self, net: Network) -> dict[str, np.ndarray]:
        """Run everything; returns our arrays under the keys of the file."""
        record_w = self.spec.get("record_w", "step")
        monitors = {
            key: net.monitor(
                owner,
                variable,
                every=record_w if key.startswith("w_") and record_w != "step" else 1,
            )
            for key, (owner, variable) in self.recorded(net).items()
        }
        out: dict[str, list[np.ndarray]] = {}
        first = 0
        for run in self.spec["runs"]:
            if run.get("reset"):
                net.reset_state()
            if "train" in run:
                net.train(run["train"])
            steps = round(run["time"] / net.dt)
            kwargs = {
                k: v for k, v in run.get("kwargs", {}).items() if k not in ("a_plus", "a_minus")
            }
            renamed = {"injects_v": "inject_v"}
            options = {
                renamed.get(k, k): {p: self.value(x) for p, x in v.items()}
                if isinstance(v, dict)
                else v
                for k, v in kwargs.items()
            }
            net.run(
                run["time"],
                {k: self.value(v)[:steps] for k, v in run["inputs"].items()},
                replay=self._replay(net, first, steps),
                **options,
            )
            first += steps
            for key, m in monitors.items():
                if len(m):
                    rows = m.get()
                    p = net.populations.get(m.owner)
                    shaped = p is not None and rows.dim() == 3
                    rows = rows.reshape(*rows.shape[:2], *p.shape) if shaped else rows
                    if m.variable == "w":
                        rows = as_matrix(net.projections[m.owner], rows)
                    out.setdefault(key, []).append(rows.cpu().numpy().copy())
                m.clear()
            for name, c in net.projections.items():
                for suffix in ("", "_weight"):
                    if f"wend_{name}{suffix}" in self.arrays and c.wiring.learns:
                        out.setdefault(f"wend_{name}{suffix}", []).append(
                            as_matrix(c, c.w.cpu()[None]).numpy().copy()
                        )
        return {k: np.concatenate(v) for k, v in out.items()}

    def _replay(self, net: Network, first: int, steps: int) -> dict[str, torch.Tensor]:
        draws = {}
        for name in net.populations:
            for key in (f"wta_winner_{name}", f"rng_rand_like_{name}"):
                if key in self.arrays:
                    rows = torch.from_numpy(self.arrays[key][first : first + steps])
                    draws[name] = rows.to(torch.int32) if key.startswith("wta") else rows
        return draws


def as_matrix(projection, rows: torch.Tensor) -> torch.Tensor:
    """Recorded weights; of a sparse projection as matrices [rows, n_pre, n_post]."""
    if projection.wiring is not fastsnn.Sparse:
        return rows
    s = projection.synapses
    out = torch.zeros(len(rows), s.n_pre, s.n_post)
    out[:, s.pre.cpu(), s.post.cpu().long()] = rows.cpu()
    return out


def golden_files() -> list[Path]:
    """Every golden trace that is at hand: the small ones here, the big one beside the project."""
    here = Path(__file__).parent / "golden"
    files = [p for p in sorted(here.glob("*.npz")) if p.stem != "encodings"]
    big = (
        Path(__file__).parents[2]
        / "shared/reference/bindsnet/golden/net2_DiehlAndCook2015_n100.npz"
    )
    return [*files, *([big] if big.exists() else [])]


__all__ = ["Golden", "fastsnn", "golden_files"]
