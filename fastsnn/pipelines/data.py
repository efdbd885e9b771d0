# SPDX-License-Identifier: Apache-2.0
"""A network that is shown a data set, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fastsnn import evaluation
from fastsnn.network import Network
from fastsnn.pipelines.progress import passing

if TYPE_CHECKING:
    from fastsnn.analysis.analyzers import Analyzer


class DatasetPipeline:
    """Shows samples in batches of the network's size and counts the spikes of one population.

    inputs:   images of a batch [B, ...] -> inputs of the network: {population: Poisson(...), ...}.
    count:    the population whose spikes are counted.
    time:     ms a sample.
    analyzer: is shown the spikes of `count` every `plot_every` batches.
    extra:    batch's labels [B] -> more arguments of `Network.run`, e.g. a clamp for supervision.
    """

    def __init__(
        self,
        net: Network,
        inputs: Callable[[Tensor], Mapping[str, Any]],
        count: str,
        time: float = 250.0,
        *,
        extra: Callable[[Tensor], Mapping[str, Any]] | None = None,
        analyzer: Analyzer | None = None,
        plot_every: int = 0,
    ) -> None:
        self.net, self.inputs, self.count, self.time = net, inputs, count, time
        self.extra, self.analyzer, self.plot_every = extra, analyzer, plot_every
        net.find(count)

    def show(
        self,
        dataset: Any,
        learning: bool,
        n_samples: int | None = None,
        shuffle: bool = False,
        progress: bool = True,
        title: str = "",
        after: Callable[[int, Tensor, Tensor], None] = lambda k, counts, labels: None,
    ) -> tuple[Tensor, Tensor]:
        """Show samples once; returns counts [n, neurons] int64 and labels [n].

        dataset: items (image tensor, class).   after: is told batch number, its counts and labels.
        A last batch that is not full is left out.
        """
        self.net.train(learning)
        loader = DataLoader(
            dataset, batch_size=self.net.batch_size, shuffle=shuffle, drop_last=True
        )
        n_batches = len(loader) if n_samples is None else n_samples // self.net.batch_size
        monitor = self.net.monitor(self.count, "spike")
        counts, labels = [], []
        try:
            for k, batch in enumerate(
                passing(_first(loader, n_batches), title or "samples", "batches", progress)
            ):
                self.net.reset_state()
                more = {} if self.extra is None else self.extra(batch[1])
                self.net.run(self.time, self.inputs(batch[0]), **more)
                spikes = monitor.get()
                counts.append(spikes.sum(0, dtype=torch.int64).cpu())
                labels.append(torch.as_tensor(batch[1]).cpu())
                after(k, counts[-1], labels[-1])
                if self.analyzer is not None and self.plot_every and k % self.plot_every == 0:
                    self.analyzer.plot_spikes({self.count: spikes}, step=k)
                    self.analyzer.finalize_step()
        finally:
            self.net.remove_monitor(monitor)
        if not counts:
            raise ValueError(
                f"the data set has {len(dataset)} samples, expected at least one batch of "
                f"{self.net.batch_size}"
            )
        return torch.cat(counts), torch.cat(labels)

    def train(self, dataset: Any, n_samples: int | None = None, **options: Any) -> Tensor:
        """Show samples with learning on; returns their counts [n, neurons]."""
        return self.show(dataset, True, n_samples, title="learning", **options)[0]

    def fit(
        self, dataset: Any, n_labels: int, n_samples: int | None = None, **options: Any
    ) -> tuple[Tensor, Tensor]:
        """Label the neurons by samples shown with learning off: assignments, proportions."""
        counts, labels = self.show(dataset, False, n_samples, title="labelling", **options)
        assignments, proportions, _ = evaluation.assign_labels(counts, labels, n_labels)
        return assignments, proportions

    def test(
        self,
        dataset: Any,
        assignments: Tensor,
        n_labels: int,
        n_samples: int | None = None,
        **options: Any,
    ) -> float:
        """Share of samples that are recognised, by all-activity voting, with learning off."""
        counts, labels = self.show(dataset, False, n_samples, title="testing", **options)
        return evaluation.accuracy(evaluation.all_activity(counts, assignments, n_labels), labels)


def _first(loader: Any, n: int) -> Any:
    """The first n batches."""

    class Part:
        def __len__(self) -> int:
            return min(n, len(loader))

        def __iter__(self) -> Any:
            return (batch for _, batch in zip(range(n), loader, strict=False))

    return Part()
