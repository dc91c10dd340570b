"""LibMTL's Trainer (equal weights, hard parameter sharing) on the usual script's data sets and network.

The release on the package index, 1.1.5 of 2021, installs (`pip install --no-deps LibMTL`) but neither imports with
today's torchvision nor runs without a GPU; three repairs below let it, and change nothing that is timed. A later
version from its repository needs none of them, and takes them without harm. It is not in the `bench` extra.
"""

import contextlib
import io
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from benchmarks.common.measuring import Clock, Spent
from benchmarks.rivals.usual import BATCH, CLASSES, FEATURES, WIDTH

# torchvision moved this module; LibMTL's ResNets, not used here, ask for the old place when LibMTL is imported.
_moved = types.ModuleType("torchvision.models.utils")
_moved.load_state_dict_from_url = torch.hub.load_state_dict_from_url  # type: ignore[attr-defined]
sys.modules.setdefault("torchvision.models.utils", _moved)

from LibMTL import Trainer  # noqa: E402
from LibMTL.architecture import HPS  # noqa: E402
from LibMTL.loss import CELoss  # noqa: E402
from LibMTL.metrics import AccMetric  # noqa: E402
from LibMTL.weighting import EW  # noqa: E402


class _Trainer(Trainer):  # type: ignore[misc]
    def _prepare_model(self, *args: Any) -> None:
        self.device = torch.device("cpu")  # the release asks for cuda:0
        super()._prepare_model(*args)

    def _process_data(self, loader: list[Any]) -> tuple[Tensor, Tensor]:
        data, label = next(loader[1])  # the release asks for the iterator's .next(), which is no more
        return data, label


class _Encoder(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Dropout(0.5))


class LibMTLTraining:
    """Epochs of so many steps.

    Args:
        sets: A data set a task.
        steps: Of an epoch.
    """

    def __init__(self, sets: Sequence[Any], steps: int) -> None:
        names = [str(task) for task in range(len(sets))]
        told = {"metrics": ["accuracy"], "weight": [1]}
        with _quiet():
            self._trainer = _Trainer(
                {name: {**told, "metrics_fn": AccMetric(), "loss_fn": CELoss()} for name in names},
                weighting=EW, architecture=HPS, encoder_class=_Encoder, rep_grad=False, multi_input=True,
                decoders=nn.ModuleDict({name: nn.Linear(WIDTH, CLASSES) for name in names}),
                optim_param={"optim": "adam", "lr": 1e-3}, scheduler_param=None, weight_args={}, arch_args={},
            )  # fmt: skip
        parts = {name: Subset(it, range(min(len(it), steps * BATCH))) for name, it in zip(names, sets, strict=True)}
        self._loaders = {name: DataLoader(it, BATCH, shuffle=True) for name, it in parts.items()}
        # It insists on a test after each epoch, which is not timed: one batch.
        self._tests = {name: DataLoader(Subset(it, range(BATCH)), BATCH) for name, it in parts.items()}

    def epoch(self) -> Spent:
        """One epoch; what its steps cost."""
        clocks: list[Clock] = []

        def record_time(mode: str = "begin") -> None:
            self._trainer.meter.beg_time = self._trainer.meter.end_time = 0.0
            if mode == "begin":
                clocks.append(Clock().__enter__())
            else:
                clocks[-1].__exit__()

        self._trainer.meter.record_time = record_time
        with _quiet():
            self._trainer.train(self._loaders, self._tests, epochs=1)
        return clocks[0].spent


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield
