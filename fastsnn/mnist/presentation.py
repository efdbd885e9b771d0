# SPDX-License-Identifier: Apache-2.0
"""Show images to a network and count the spikes of its excitatory neurons."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fastsnn import Network, Poisson, Retry
from fastsnn.datasets import Images
from fastsnn.mnist.network import diehl_and_cook
from fastsnn.mnist.settings import Settings
from fastsnn.models import PostPre
from fastsnn.random import network_uniform

# streams 0 to 3 of the random numbers are the network's own; initial weights take 0
_SHUFFLE_STREAM = 1
# how often an image is shown at most
_TRIES = 10
Progress = Callable[[int], None] | None


def build(settings: Settings, n_input: int, n_images: int) -> Network:
    """Build the network that the settings describe for so many training images."""
    return diehl_and_cook(
        settings.n_neurons,
        n_input=n_input,
        exc=settings.exc,
        inh=settings.inh,
        adapt=settings.adapt,
        theta_plus=settings.theta_step(n_images),
        tau_theta=math.inf if settings.tau_theta is None else settings.tau_theta,
        nu_pre=settings.nu_pre,
        nu_post=settings.nu_post,
        norm=settings.norm,
        dt=settings.dt,
        batch_size=settings.batch_size,
        seed=settings.seed,
        backend=settings.backend,
        threads=settings.threads,
    )


def set_learning_rate(net: Network, settings: Settings, progress: float) -> None:
    """Set the rates of learning for a point of the training, 0..1."""
    left = 1.0 - progress * (1.0 - settings.nu_end)
    rule = PostPre(nu_pre=left * settings.nu_pre, nu_post=left * settings.nu_post)
    if net.projections["X->Ae"].rule.values != rule.values:
        net.set_rule("X->Ae", rule)


def rates(images: np.ndarray, settings: Settings, gain: float = 1.0) -> Tensor:
    """Return the input rates of images [n, height, width]: float32 [n, pixels], Hz."""
    grey = torch.from_numpy(images.reshape(len(images), -1)).float() / 255.0
    # at most one spike a step
    return (gain * settings.intensity * grey**settings.gamma).clamp(max=1000.0 / settings.dt)


def epoch_order(settings: Settings, epoch: int, n_images: int) -> np.ndarray:
    """Return the order of the images in an epoch: a function of the seed and the epoch alone."""
    if not settings.shuffle:
        return np.arange(n_images)
    drawn = network_uniform(settings.seed, (n_images,), _SHUFFLE_STREAM, epoch)
    return torch.argsort(drawn, stable=True).numpy()


def learn(net: Network, images: Images, settings: Settings, progress: Progress = None) -> Tensor:
    """Show images one after another, net.batch_size at once, and count the spikes of Ae.

    progress: called now and then with the number of images that are done.

    Returns int32 [n_images, n_neurons].
    """
    retry = Retry("Ae", settings.min_spikes, settings.boost, _TRIES) if settings.retry else None
    return _present(net, rates(images.images, settings), settings, progress, retry)


def ask(net: Network, images: Images, settings: Settings, progress: Progress = None) -> Tensor:
    """Count spikes as `learn` does, without learning; silent images are shown again, stronger."""
    net.train(False)
    counts = _present(net, rates(images.images, settings), settings, progress)
    enough = max(settings.judge_spikes, settings.min_spikes if settings.retry else 0)
    for more in range(1, _TRIES):
        silent = (counts.sum(1) < enough).nonzero().flatten()
        if not len(silent):
            break
        stronger = rates(images.images[silent.numpy()], settings, 1.0 + more * settings.boost)
        counts[silent] = _present(net, stronger, settings)
    return counts


def _present(
    net: Network,
    rows: Tensor,
    settings: Settings,
    progress: Progress = None,
    retry: Retry | None = None,
) -> Tensor:
    n, batch = len(rows), net.batch_size
    # a batch that is not full is filled with darkness, which makes no spike and teaches nothing
    rows = torch.nn.functional.pad(rows, (0, 0, 0, -n % batch))
    shown = net.present(
        {"X": Poisson(rows.view(-1, batch, rows.shape[1]))},
        time=settings.time,
        count=["Ae"],
        retry=retry,
        progress=progress and (lambda samples: progress(min(n, samples * batch))),
    )
    return shown.counts["Ae"].view(-1, settings.n_neurons)[:n].cpu()
