# SPDX-License-Identifier: Apache-2.0
"""The report of a run: one HTML file that needs no other, the same pictures as PNG, the numbers."""

from __future__ import annotations

import base64
import html
import io
import json
import platform
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import fastsnn
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

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fastsnn: MNIST, {headline}</title>
<style>
  body {{ font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fafafa;
         max-width: 980px; margin: 3rem auto; padding: 0 1.2rem; }}
  h1 {{ font-size: 1.7rem; margin-bottom: .2rem; }}
  h1 + p {{ color: #666; margin-top: 0; }}
  dl {{ display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.6rem 0 2.4rem; }}
  dl div {{ background: #fff; border: 1px solid #e4e4e4; border-radius: 8px; padding: .6rem 1rem; }}
  dt {{ color: #666; font-size: .82rem; }}
  dd {{ margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }}
  figure {{ margin: 0 0 2rem; background: #fff; border: 1px solid #e4e4e4; border-radius: 8px;
           padding: 1rem; }}
  img {{ display: block; max-width: 100%; margin: 0 auto; }}
  figcaption {{ color: #555; font-size: .92rem; margin-top: .7rem; }}
  table {{ border-collapse: collapse; font-size: .9rem; }}
  td {{ padding: .15rem 1.2rem .15rem 0; font-variant-numeric: tabular-nums; }}
  summary {{ cursor: pointer; margin-bottom: .6rem; }}
</style>
</head>
<body>
<h1>{headline}</h1>
<p>{subtitle}</p>
<dl>{numbers}</dl>
{figures}
<details><summary>All settings</summary><table>{settings}</table></details>
</body>
</html>
"""


def write_report(folder: str | Path, result: Result) -> Path:
    """Write index.html, the PNGs and result.json into folder; returns the path of the HTML."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {name: _png(figure) for name, figure in draw(result).items()}
    for name, png in pictures.items():
        _write(folder / f"{name}.png", png)
    _write(folder / "result.json", json.dumps(summary(result), indent=2).encode())
    _write(folder / "index.html", _page(result, pictures).encode())
    return folder / "index.html"


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
            net.projections["X->Ae"].w.numpy(), assignments, shape
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
            (v_thresh[0] + net.populations["Ae"].theta.numpy(), v_thresh[1]),
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


def _page(result: Result, pictures: dict[str, bytes]) -> str:
    trainer, verdict, settings = result.trainer, result.verdict, result.trainer.settings
    numbers = {
        f"test accuracy, {READOUTS[name]}": f"{value:.2%}"
        for name, value in verdict.accuracy.items()
    }
    if result.images_per_s:
        numbers["images learnt a second"] = f"{result.images_per_s:,.0f}"
    numbers["images tested a second"] = f"{verdict.images_per_s:,.0f}"
    best = verdict.accuracy[settings.readout]
    return _PAGE.format(
        headline=f"{best:.1%} of {len(result.test):,} test digits recognised",
        subtitle=f"{settings.n_neurons:,} spiking neurons, {trainer.seen:,} images seen without "
        f"their labels, spike-timing-dependent plasticity (Diehl &amp; Cook 2015). "
        f"fastsnn {fastsnn.__version__}, backend {trainer.net.backend}.",
        numbers="".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in numbers.items()),
        figures="\n".join(
            f'<figure><img alt="{name}" src="data:image/png;base64,'
            f'{base64.b64encode(png).decode()}"><figcaption>{_CAPTIONS[name]}</figcaption></figure>'
            for name, png in pictures.items()
        ),
        settings="".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>"
            for name, value in settings.as_dict().items()
        ),
    )


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)
