# SPDX-License-Identifier: Apache-2.0
"""The report of a run: one HTML file that needs no other, the same pictures as PNG, the numbers."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import fastsnn
from fastsnn.analysis.report import Report
from fastsnn.files import replacing
from fastsnn.mnist import figures
from fastsnn.mnist.job import Result
from fastsnn.mnist.readout import READOUTS, predict
from fastsnn.mnist.recording import record

_CAPTIONS = {
    "receptive-fields": "The weights from the 784 pixels to each neuron, drawn as an image. "
    "Neurons are sorted by the digit that they came to stand for, which is written into them.",
    "confusion": "Which digit was taken for which. A row adds up to the images of a digit.",
    "accuracy": "While learning, each image is first predicted, from labels that rest on the "
    "images before it.",
    "raster": "One dot is one spike. Excitatory neurons that fire silence all others through "
    "their inhibitory partners.",
    "voltages": "The three neurons that spike most, and all neurons together.",
}


def write_report(folder: str | Path, result: Result) -> Path:
    """Write index.html, the PNGs and result.json into folder; returns the path of the HTML."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "result.json") as file:
        file.write(json.dumps(summary(result), indent=2).encode())
    return _report(result).write(folder)


def draw(result: Result) -> dict[str, Figure]:
    """Draw all pictures of a run."""
    trainer, verdict, settings = result.trainer, result.verdict, result.trainer.settings
    net, shape = trainer.net, result.test.images.shape[1:]
    assignments = verdict.labels[0].numpy()
    seen = record(net, result.test.images[0], settings)
    counts = torch.from_numpy(seen.spikes["Ae"].sum(0, dtype="int64"))
    guess = int(predict(counts[None], verdict.labels, settings.readout))
    v_thresh = tuple(float(net.populations[k].model.values["v_thresh"]) for k in ("Ae", "Ai"))
    return {
        "receptive-fields": figures.receptive_fields(
            net.projections["X->Ae"].w.cpu().numpy(), assignments, shape
        ),
        "confusion": figures.confusion(verdict.confusion.numpy(), READOUTS[settings.readout]),
        "accuracy": figures.accuracy(
            trainer.history,
            verdict.accuracy[settings.readout],
            len(trainer.images),
            settings.n_epochs,
        ),
        "raster": figures.raster(
            seen.spikes, result.test.images[0], int(result.test.labels[0]), guess, settings.dt
        ),
        "voltages": figures.voltages(
            seen.v_exc,
            seen.v_inh,
            (v_thresh[0] + net.populations["Ae"].theta.cpu().numpy(), v_thresh[1]),
            counts.topk(min(3, len(counts))).indices.tolist(),
            settings.dt,
        ),
    }


def summary(result: Result) -> dict[str, Any]:
    """The numbers of a run, as JSON holds them."""
    trainer, verdict = result.trainer, result.verdict
    return {
        "accuracy": verdict.accuracy,
        "confusion": verdict.confusion.tolist(),
        "images_seen": trainer.seen,
        "train_images_per_s": result.images_per_s,
        "test_images_per_s": verdict.images_per_s,
        "history": trainer.history,
        "n_train": len(trainer.images),
        "n_test": len(result.test),
        "settings": trainer.settings.as_dict(),
        "theta_plus": trainer.settings.theta_step(len(trainer.images)),
        "backend": trainer.net.backend,
        "versions": {
            "fastsnn": fastsnn.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def _report(result: Result) -> Report:
    trainer, verdict, settings = result.trainer, result.verdict, result.trainer.settings
    numbers = {
        f"test accuracy, {READOUTS[name]}": f"{value:.2%}"
        for name, value in verdict.accuracy.items()
    }
    if result.images_per_s:
        numbers["images learnt a second"] = f"{result.images_per_s:,.0f}"
    numbers["images tested a second"] = f"{verdict.images_per_s:,.0f}"
    best = verdict.accuracy[settings.readout]
    headline = f"{best:.1%} of {len(result.test):,} test digits recognised"
    report = Report(
        headline,
        f"{settings.n_neurons:,} spiking neurons, {trainer.seen:,} images seen without "
        f"their labels, spike-timing-dependent plasticity (Diehl & Cook 2015). "
        f"fastsnn {fastsnn.__version__}, backend {trainer.net.backend}.",
        title=f"fastsnn: MNIST, {headline}",
    ).numbers(numbers)
    for name, figure in draw(result).items():
        report.picture(name, figure, _CAPTIONS[name])
    return report.table("All settings", settings.as_dict())
