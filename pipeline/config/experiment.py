"""The experiment: one YAML file, read into a frozen, typed, validated tree."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from pipeline.config.balancers import Fixed
from pipeline.config.balancing import Balancing
from pipeline.config.base import Settings, unknown
from pipeline.config.comparing import CompareSettings
from pipeline.config.data import DataSettings, VocabularySettings
from pipeline.config.deciding import DecisionSettings
from pipeline.config.explaining import ExplainSettings
from pipeline.config.facts import PER_SLOT, RESOLVED, SAME_COST, WHOLE, read_by
from pipeline.config.grouping import AffinitySettings
from pipeline.config.model import ModelSettings
from pipeline.config.sources import SourceName, SourceSettings
from pipeline.config.tasks import TaskName, TaskSettings
from pipeline.config.training import TrainingSettings
from pipeline.config.trunks import HuggingFace, Trunk
from pipeline.config.tuning import TRIALS_A_REPLICATE, TuningSettings


class Baselines(Settings):
    """What the shared network is held against.

    Attributes:
        single: Train the same network on each task alone.
        separate: Another experiment to train on this one's data, tasks and seeds; null for none.
        reference: Also score what is good without a network: gradient boosting on tables, TF-IDF and logistic
            regression on texts.
    """

    single: bool = True
    separate: str | None = None
    reference: Annotated[bool, read_by("evaluate")] = True


class Gate(Settings):
    """When a new model becomes champion: its objective on validation is higher by more than `min_gain`."""

    min_gain: float = 0.0


class Experiment(Settings):
    """Everything an experiment says.

    Attributes:
        name: Of the experiment in MLflow, of the study and of the registered model.
        seed: Root of every random draw, at least 0.
        device: `auto` takes a GPU where the driver reports one.
        precision: Of the matrix products; `bfloat16` keeps weights, their gradients and the optimizer in float32, and
            is faster on processors with instructions for it.
        slots: Most networks in a stack; `auto` takes what this machine trains fastest. It changes no value on the CPU.
        processes: That train, a thread each; `auto` weighs the work against a worker's start. It never changes a value.
        sources: By name, where the experiment's own data are, beside the sources that are built in.
    """

    name: Annotated[str, read_by("select", "report", "compare", "affinity")]
    seed: Annotated[int, read_by("prepare", "train", "study", "explain"), PER_SLOT, SAME_COST] = Field(
        default=0, ge=0, lt=2**32
    )
    device: Annotated[Literal["auto", "cpu", "cuda"], read_by("train", "study"), RESOLVED] = "auto"
    precision: Annotated[Literal["float32", "bfloat16"], read_by("train", "study")] = "float32"
    slots: Literal["auto"] | int = "auto"
    processes: Literal["auto"] | int = "auto"
    data: DataSettings = DataSettings()
    baselines: Baselines = Baselines()
    gate: Gate = Gate()
    sources: Annotated[
        dict[SourceName, Annotated[SerializeAsAny[SourceSettings], BeforeValidator(SourceSettings.of)]],
        read_by("prepare"),
        WHOLE,
    ] = Field(default={})
    tasks: Annotated[
        dict[TaskName, Annotated[SerializeAsAny[TaskSettings], BeforeValidator(TaskSettings.of)]],
        read_by("prepare", "train", "study"),
        WHOLE,
    ] = Field(min_length=1)
    model: Annotated[ModelSettings, read_by("train", "study")] = ModelSettings()
    balancing: Annotated[SerializeAsAny[Balancing], BeforeValidator(Balancing.of), read_by("train", "study")] = Fixed(
        method="fixed"
    )
    training: Annotated[TrainingSettings, read_by("train", "study")] = TrainingSettings()
    tuning: TuningSettings | None = TuningSettings()
    decision: Annotated[DecisionSettings, read_by("report", "compare", "affinity")] = DecisionSettings()
    explain: Annotated[ExplainSettings, read_by("explain")] = ExplainSettings()
    compare: CompareSettings = CompareSettings()
    affinity: Annotated[AffinitySettings, read_by("affinity")] = AffinitySettings()

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise ValueError(f"a name has letters, digits, '_', '-' and '.' only, found '{name}'")
        return name

    @field_validator("slots", "processes")
    @classmethod
    def _count(cls, count: int | str) -> int | str:
        if isinstance(count, int) and count < 1:
            raise ValueError(f"auto, or a whole number of at least 1; found {count}")
        return count

    @model_validator(mode="after")
    def _consistent(self) -> "Experiment":
        self.balancing.check(self.tasks)
        self._check_method()
        self._check_trials()
        self._check_augmented()
        if self.training.epochs is not None and self.training.updates != "auto":
            raise ValueError(
                "training.epochs and training.updates exclude each other: set training.epochs=null or "
                "training.updates=auto"
            )
        if self.training.watch and len(self.tasks) > 1:
            self._check_shared("training.watch reads gradients on", "set training.watch=null")
        if self.tokenizer and self.data.text != VocabularySettings(length=self.data.text.length):
            raise ValueError("trunk 'huggingface' has a tokenizer of its own: of data.text give length alone")
        if not self.validates and (self.tuning or self.training.early_stopping):
            raise ValueError(
                "data.validation=0 leaves nothing to choose by: "
                "add --set training.early_stopping=null --set tuning=null, or give data.validation a share"
            )
        if not self.validates and self.training.schedule == "plateau":
            raise ValueError("training.schedule=plateau needs a validation split: give data.validation a share")
        return self

    def _check_method(self) -> None:
        """Hold the balancing method against the tasks and the network that it is for."""
        balancing = self.balancing
        if len(self.tasks) == 1 or balancing.own_path:
            return  # of a single task there is nothing to balance; one's own method is not imported here
        method, least = balancing.method, balancing.least_tasks()
        if len(self.tasks) < least:
            raise ValueError(f"balancing.method '{method}' needs at least {least} tasks; found {len(self.tasks)}")
        if balancing.of_gradients:
            self._check_shared(f"balancing.method '{method}' reads gradients on", "a method that needs no gradients")
        if balancing.conditions:
            self._check_shared(f"balancing.method '{method}' gives a preference to", "a method that needs none")
            if not self.model.trunk.widened:
                *others, last = (name for name, it in Trunk.choices.items() if it.widened)
                raise ValueError(
                    f"balancing.method '{method}' appends a preference to the rows, which a trunk "
                    f"'{self.model.trunk.kind}' cannot take: use {', '.join(others)} or {last}"
                )

    def _check_trials(self) -> None:
        """Refuse a number of trials that cannot be dealt out evenly."""
        trials, count = self.tuning.trials if self.tuning else "auto", self.replicates
        if trials != "auto" and trials % count:
            near = max(1, round(trials / count)) * count
            raise ValueError(
                f"tuning.trials={trials} cannot be dealt out to {count} replicates evenly: give a multiple of {count}, "
                f"such as {near}, or tuning.replicates"
            )

    def _check_augmented(self) -> None:
        """Refuse transforms of a source that no task reads."""
        names = self.training.augment if isinstance(self.training.augment, dict) else ()
        for name in names:
            if name not in self.source_names:
                otherwise = f"the tasks read {', '.join(self.source_names)}"
                raise ValueError(f"training.augment: {unknown('source', name, self.source_names, otherwise)}")

    def _check_shared(self, does: str, otherwise: str) -> None:
        """Refuse what works on shared layers where there are none."""
        if self.model.sharing.kind == "separate":
            raise ValueError(
                f"{does} layers that the tasks share, and model.sharing=separate shares none: use "
                f"model.sharing=shared, or {otherwise}"
            )
        if not self.model.trunk.layered:
            raise ValueError(
                f"{does} layers that the tasks share, and model.trunk.widths=[] leaves none: give the trunk a width"
            )

    @property
    def replicates(self) -> int:
        """How often the whole procedure is repeated in every tuned arm: `tuning.replicates`, else the seeds."""
        own = self.tuning.replicates if self.tuning else None
        return own or self.training.seeds

    @property
    def trials(self) -> int:
        """Trials of an arm's study; `auto` counts as six a replicate as long as nothing has been planned."""
        assert self.tuning is not None
        return TRIALS_A_REPLICATE * self.replicates if self.tuning.trials == "auto" else self.tuning.trials

    @property
    def validates(self) -> bool:
        """Whether rows are held out to choose by: a validation split, or folds."""
        return self.training.folds is not None or self.data.validation > 0.0

    @property
    def tokenizer(self) -> str | None:
        """The encoder whose tokenizer makes numbers of text; None where a vocabulary of the training rows does."""
        trunk = self.model.trunk
        return trunk.model if isinstance(trunk, HuggingFace) else None

    @property
    def source_names(self) -> list[str]:
        """Names of the sources, in the order in which the tasks first name them."""
        return list(dict.fromkeys(task.source for task in self.tasks.values()))
