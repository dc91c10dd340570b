"""Lightning's Trainer with CombinedLoader, on the usual script's data sets and network.

Logger, checkpoints, progress bar and summary are off, in Lightning's favour. Importing this needs the `bench` extra.
"""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.common.measuring import Clock, Spent
from benchmarks.rivals.usual import SharedNetwork


class _Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = SharedNetwork(0.5)
        self.loss_of = nn.CrossEntropyLoss()

    def training_step(self, batch: dict[str, tuple[Tensor, Tensor]], _: int) -> Tensor:
        logits = self.network([x for x, _ in batch.values()])
        losses = [self.loss_of(z, y) for z, (_, y) in zip(logits, batch.values(), strict=True)]
        return torch.stack(losses).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class _Timer(lightning.Callback):
    """Measures the epoch alone, without the trainer's setting up."""

    def on_train_epoch_start(self, *_: Any) -> None:
        self.clock = Clock().__enter__()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.clock.__exit__()


class LightningTraining:
    """Epochs of so many steps.

    Args:
        loaders: One a task.
        steps: Of an epoch.
    """

    def __init__(self, loaders: Sequence[DataLoader], steps: int) -> None:
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        self._module, self._steps = _Module(), steps
        self._loaders = CombinedLoader({str(i): loader for i, loader in enumerate(loaders)}, "min_size")

    def epoch(self) -> Spent:
        """One epoch by a new trainer; what its steps cost."""
        timer = _Timer()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on worker processes, which lose at this size
            lightning.Trainer(
                max_epochs=1, limit_train_batches=self._steps, accelerator="cpu", callbacks=[timer], logger=False,
                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            ).fit(self._module, self._loaders)  # fmt: skip
        return timer.clock.spent
