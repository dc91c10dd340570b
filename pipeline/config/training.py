"""Settings of training."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.config.base import Settings, abbreviated
from pipeline.config.facts import LAYOUT, PER_SLOT, SAME_COST, read_by
from pipeline.config.limits import PARTS, REPEATS, ROWS, STEPS

Augmentation = dict[str, dict[str, Any]]
"""One transform of `torchvision.transforms.v2`: its name, mapped to its keyword arguments."""

Augmentations = tuple[Augmentation, ...]
"""Transforms in the order of application."""


def _augment(value: Any) -> Any:
    """Transforms for all sources, or by source."""
    if isinstance(value, Mapping):
        return {source: _augmentations(it) for source, it in value.items()}
    return _augmentations(value)


def _augmentations(value: Any) -> Any:
    """A list of transforms; a bare name has no arguments."""
    if not isinstance(value, list | tuple):
        raise ValueError(
            f"a list of transforms, for example [RandomHorizontalFlip], or such a list for each source; found "
            f"{abbreviated(value)}"
        )
    return tuple(_augmentation(it) for it in value)


def _augmentation(value: Any) -> Any:
    if isinstance(value, str):
        return {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(
            f"each is one transform, for example {{RandomCrop: {{size: 28, padding: 2}}}}; found {abbreviated(value)}"
        )
    return {name: {} if arguments is None else arguments for name, arguments in value.items()}


def _power_of_two(value: int) -> int:
    if value.bit_count() != 1:
        raise ValueError(f"a power of two, such as {1 << max(value.bit_length() - 1, 0)}; found {value}")
    return value


class EarlyStopping(Settings):
    """Stop a network whose validation loss has not decreased for some validations, and keep its best epoch.

    The loss is the mean over tasks of the negative log-likelihood, or of 1 - R2 for regression.

    Attributes:
        patience: Validations without a decrease before training stops.
        min_delta: The smallest change that counts as a decrease.
    """

    patience: Annotated[int, STEPS] = Field(default=3, ge=1)
    min_delta: float = Field(default=0.0, ge=0.0)


class WatchSettings(Settings):
    """Record statistics of the tasks' gradients on shared layers, with any balancing method; training is unaffected.

    The history then has the norm of every task's gradient, the cosines between them and the share of conflicts.

    Attributes:
        every: Steps between two records.
        lookahead: Also measure how a step for one task alone changes every task's loss on the same rows: the affinity
            of Fifty et al. 2021. It takes one forward pass per task.
    """

    every: Annotated[int, STEPS] = Field(default=10, ge=1)
    lookahead: bool = False


class TrainingSettings(Settings):
    """How a network is trained.

    Attributes:
        epochs: Passes over the data, with a validation after each; null for a length in `updates`.
        updates: Optimizer steps, with about twenty validations among them; `auto` follows the number of training rows
            of the longest source: one per row, from 200 to 3,000 for up to 5,000 rows, 4,500 for 50,000.
        batch_size: Rows of each source in a step.
        chunks: Parts into which each step's batch is cut, a power of two: they pass through the network one after the
            other, which takes less memory, or on several devices, see docs/data_parallel.md. Their gradients are added,
            so that a step stays one of the whole batch.
        data_parallel: Processes that train each network together under `--engine ray`, each its part of the chunks; no
            effect on values, see docs/data_parallel.md.
        optimizer: The optimizer.
        learning_rate: Peak learning rate.
        momentum: Momentum of SGD and RMSprop.
        nesterov: Nesterov momentum, SGD only.
        beta1: Decay of Adam's first moment.
        beta2: Decay of Adam's second moment, and RMSprop's smoothing constant.
        epsilon: Added to the square root of the second moment.
        weight_decay: L2 penalty (decoupled in AdamW).
        schedule: Learning-rate schedule after the warm-up: `constant`; `cosine` to 0; `one_cycle` (up for 30 % of the
            steps, then down); `plateau` (divided by ten whenever the validation loss has not decreased for
            `plateau_patience` validations).
        warmup_epochs: Epochs over which the learning rate rises linearly from 0; fractions allowed.
        plateau_patience: Validations without a decrease before `plateau` lowers the learning rate.
        clip_norm: Largest gradient norm of a network; null for no clipping.
        seeds: Networks trained side by side, each with its own initial parameters and data order.
        folds: Number of folds of a cross-validation over all rows that are not test rows; `data.validation` is then
            ignored. A trial trains one network per fold, on the rows outside it, and validates it on those in it; its
            objective is the mean. Each seed holds out one fold, in turn. null for one validation split.
        early_stopping: null trains to the end and keeps the last parameters.
        augment: Transforms of `torchvision.transforms.v2` for training images, each by its name with its arguments,
            such as `[{RandomCrop: {size: 28, padding: 2}}, RandomHorizontalFlip]`. A list applies to all sources;
            `{SOURCE: [...]}` gives lists by source, and other sources are not augmented.
        watch: Record gradient statistics; null for only those that the balancing method needs.
    """

    epochs: Annotated[int | None, STEPS, SAME_COST] = Field(default=None, ge=1)
    updates: Annotated[Literal["auto"] | Annotated[int, Field(ge=1), STEPS], SAME_COST] = "auto"
    batch_size: Annotated[int, ROWS] = Field(default=64, ge=1)
    chunks: Annotated[int, PARTS, AfterValidator(_power_of_two)] = Field(default=1, ge=1)
    data_parallel: Annotated[int, PARTS, LAYOUT, AfterValidator(_power_of_two)] = Field(default=1, ge=1)
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = "adam"
    learning_rate: Annotated[float, PER_SLOT] = Field(default=0.005, gt=0.0)
    momentum: Annotated[float, PER_SLOT] = Field(default=0.0, ge=0.0, lt=1.0)
    nesterov: Annotated[bool, PER_SLOT] = False
    beta1: Annotated[float, PER_SLOT] = Field(default=0.9, ge=0.0, lt=1.0)
    beta2: Annotated[float, PER_SLOT] = Field(default=0.999, ge=0.0, lt=1.0)
    epsilon: Annotated[float, PER_SLOT] = Field(default=1e-8, gt=0.0)
    weight_decay: Annotated[float, PER_SLOT] = Field(default=0.0, ge=0.0)
    schedule: Annotated[Literal["constant", "cosine", "one_cycle", "plateau"], SAME_COST] = "one_cycle"
    warmup_epochs: Annotated[float, STEPS, SAME_COST] = Field(default=0.0, ge=0.0)
    plateau_patience: Annotated[int, STEPS, PER_SLOT, SAME_COST] = Field(default=2, ge=1)
    clip_norm: Annotated[float | None, PER_SLOT] = Field(default=None, gt=0.0)
    seeds: Annotated[int, REPEATS, read_by("train"), SAME_COST] = Field(default=5, ge=1)
    folds: Annotated[int | None, read_by("prepare", "train", "study"), SAME_COST] = Field(default=None, ge=2, le=100)
    early_stopping: Annotated[EarlyStopping | None, PER_SLOT, SAME_COST] = None
    augment: Annotated[Augmentations | dict[str, Augmentations], BeforeValidator(_augment)] = ()
    watch: WatchSettings | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingSettings":
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0.0):
            raise ValueError("nesterov needs optimizer sgd and momentum above 0")
        if self.chunks > self.batch_size:
            raise ValueError(
                f"chunks {self.chunks} cut a batch_size of {self.batch_size} into less than a row: lower it"
            )
        if self.chunks % self.data_parallel:
            raise ValueError(
                f"data_parallel {self.data_parallel} processes cannot share {self.chunks} chunks: set chunks to "
                f"{self.data_parallel} or a multiple of it, or lower data_parallel"
            )
        if self.chunks > 1 and self.watch:
            raise ValueError("watch (and headway affinity) measures whole batches: set chunks to 1, or leave watch out")
        return self

    def transforms_of(self, source: str) -> Augmentations:
        """The transforms of a source's images."""
        return self.augment.get(source, ()) if isinstance(self.augment, dict) else self.augment

    def restricted_to(self, sources: Collection[str]) -> "TrainingSettings":
        """The settings of an experiment with these sources only."""
        if not isinstance(self.augment, dict):
            return self
        kept = {source: it for source, it in self.augment.items() if source in sources}
        return self.model_copy(update={"augment": kept})
