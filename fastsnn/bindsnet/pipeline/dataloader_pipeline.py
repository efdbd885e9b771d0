# SPDX-License-Identifier: Apache-2.0
"""Pipelines over data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils.data import Dataset

from fastsnn.bindsnet.datasets.dataloader import DataLoader
from fastsnn.bindsnet.network import Network
from fastsnn.bindsnet.pipeline.base_pipeline import BasePipeline
from fastsnn.pipelines.progress import passing

if TYPE_CHECKING:
    from fastsnn.bindsnet.analysis.pipeline_analysis import PipelineAnalyzer

__all__ = ["BasePipeline", "DataLoader", "DataLoaderPipeline", "TorchVisionDatasetPipeline"]


class DataLoaderPipeline(BasePipeline):
    """Shows a data set, batch by batch.

    Keywords besides those of BasePipeline: num_epochs (10), batch_size (1), num_workers (0),
    pin_memory (True), shuffle (True).
    """

    def __init__(
        self, network: Network, train_ds: Dataset, test_ds: Dataset | None = None, **kwargs: Any
    ) -> None:
        self.train_ds, self.test_ds = train_ds, test_ds
        self.num_epochs = kwargs.get("num_epochs", 10)
        self.batch_size = kwargs.get("batch_size", 1)
        self.num_workers = kwargs.get("num_workers", 0)
        self.pin_memory = kwargs.get("pin_memory", True)
        self.shuffle = kwargs.get("shuffle", True)
        super().__init__(network, **kwargs)

    def train(self) -> None:
        """Show the training set num_epochs times."""
        for epoch in range(self.num_epochs):
            title = f"epoch {epoch + 1} of {self.num_epochs}"
            for batch in passing(self._loader(self.train_ds, self.shuffle), title, "batches"):
                self.step(batch)

    def test(self) -> None:
        """Show the test set, learning off; a subclass may look at what comes out in `test_step`."""
        if self.test_ds is None:
            raise ValueError("this pipeline has no test_ds, expected one to test with")
        learning = self.network.learning
        self.network.train(False)
        try:
            for batch in passing(self._loader(self.test_ds, False), "testing", "batches"):
                self.step_(batch)
                self.test_step()
        finally:
            self.network.train(learning)

    def test_step(self) -> None:
        """Called after each batch of `test`."""

    def _loader(self, dataset: Dataset, shuffle: bool) -> DataLoader:
        self.loader = DataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            # pinned memory is of use for a GPU alone
            pin_memory=self.pin_memory and self.device.type == "cuda",
            shuffle=shuffle,
        )
        return self.loader


class TorchVisionDatasetPipeline(DataLoaderPipeline):
    """Shows a data set of `fastsnn.bindsnet.datasets` to a network that learns by itself.

    Keywords besides those of DataLoaderPipeline: input_layer ("X").
    """

    def __init__(
        self,
        network: Network,
        train_ds: Dataset,
        pipeline_analyzer: PipelineAnalyzer | None = None,
        **kwargs: Any,
    ) -> None:
        self.pipeline_analyzer = pipeline_analyzer
        self.input_layer = kwargs.get("input_layer", "X")
        super().__init__(network, train_ds, kwargs.pop("test_ds", None), **kwargs)

    def step_(self, batch: dict[str, Tensor], **kwargs: Any) -> None:
        """Show a batch from the initial state on."""
        self.network.reset_state_variables()
        spikes = batch["encoded_image"]
        self.network.run(
            inputs={self.input_layer: spikes}, time=len(spikes) * self.network.dt, **kwargs
        )

    def init_fn(self) -> None:
        """Nothing to prepare."""

    def plots(self, batch: dict[str, Tensor], *args: Any) -> None:
        """Show the batch's first image, spikes and voltages to the analyzer."""
        if self.pipeline_analyzer is None:
            return
        analyzer, step = self.pipeline_analyzer, self.step_count
        analyzer.plot_obs(batch["encoded_image"][:, 0].float().sum(0), step=step)
        analyzer.plot_spikes(self.get_spike_data(), step=step)
        voltages, thresholds = self.get_voltage_data()
        if voltages:
            analyzer.plot_voltages(voltages, thresholds, step=step)
        analyzer.finalize_step()

    def test_step(self) -> None:
        """Nothing to look at."""


def __getattr__(name: str) -> Any:
    # plots are slow to import, and may never be asked for
    if name == "PipelineAnalyzer":
        from fastsnn.bindsnet.analysis import pipeline_analysis

        return pipeline_analysis.PipelineAnalyzer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
