"""The experiment: one YAML file as a frozen, typed, validated tree of settings."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from pipeline.config.affinity import AffinitySettings
from pipeline.config.balancers import Fixed
from pipeline.config.balancing import Balancing
from pipeline.config.base import Settings, unknown_name
from pipeline.config.compare import CompareSettings
from pipeline.config.data import DataSettings, VocabularySettings
from pipeline.config.decision import DecisionSettings
from pipeline.config.explain import ExplainSettings
from pipeline.config.facts import PER_SLOT, RESOLVED, SAME_COST, WHOLE, read_by
from pipeline.config.limits import PARTS, TOGETHER
from pipeline.config.model import ModelSettings
from pipeline.config.sources import SourceName, SourceSettings
from pipeline.config.tasks import TaskName, TaskSettings
from pipeline.config.training import TrainingSettings
from pipeline.config.trunks import HuggingFace, Trunk
from pipeline.config.tuning import TRIALS_A_REPLICATE, TuningSettings


class Baselines(Settings):
    """The baselines that the shared network is compared with.

    Attributes:
        single: Train the same network on each task alone.
        separate: Another experiment to train on this one's data, tasks and seeds; null for none.
        reference: Also score a model without a network: gradient boosting on tables, TF-IDF and logistic regression on
            texts.
    """

    single: bool = True
    separate: str | None = None
    reference: Annotated[bool, read_by("evaluate")] = True


class Gate(Settings):
    """The condition for a new champion: its objective on validation is higher by more than `min_gain`."""

    min_gain: float = 0.0


class Experiment(Settings):
    """All settings of an experiment.

    Attributes:
        name: Name of the MLflow experiment, the study and the registered model.
        seed: Root seed of all random draws.
        device: Device to train on; `auto` takes a GPU if the driver reports one.
        precision: Precision of the matrix products; `bfloat16` keeps parameters, gradients and optimizer state in
            float32, and is faster on processors with instructions for it.
        slots: Largest number of networks in a stack; `auto` takes the fastest on this machine. No effect on values on
            the CPU.
        processes: Number of training processes, with one thread each; `auto` weighs the work against a process's
            start-up. No effect on values.
        mixed: On a cluster, also train on machines that compute other bits than this one: results are then equal within
            a tolerance.
        data: Examples, splits and how sources are mixed.
        baselines: What the shared network is compared with.
        gate: Condition for a new champion.
        sources: The experiment's own sources by name, beside the built-in ones.
        tasks: The tasks by name.
        model: The network.
        balancing: The method that chooses the task weights.
        training: How a network is trained.
        tuning: The search; null for none.
        decision: When a difference counts.
        explain: Settings of `headway explain`.
        compare: Settings of `headway compare`.
        affinity: Settings of `headway affinity`.
    """

    name: Annotated[str, read_by("select", "report", "compare", "affinity")]
    seed: Annotated[int, read_by("prepare", "train", "study", "explain"), PER_SLOT, SAME_COST] = Field(
        default=0, ge=0, lt=2**32
    )
    device: Annotated[Literal["auto", "cpu", "cuda"], read_by("train", "study"), RESOLVED] = "auto"
    precision: Annotated[Literal["float32", "bfloat16"], read_by("train", "study")] = "float32"
    slots: Literal["auto"] | Annotated[int, TOGETHER] = "auto"
    processes: Literal["auto"] | Annotated[int, PARTS] = "auto"
    mixed: Annotated[bool, read_by("train", "study")] = False
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
        if not self.awaits_data:
            self.check_trials()
        self._check_augmented()
        if self.training.epochs is not None and self.training.updates != "auto":
            raise ValueError(
                "training.epochs and training.updates exclude each other: set training.epochs=null or "
                "training.updates=auto"
            )
        if self.training.watch and len(self.tasks) > 1:
            self._check_shared("training.watch reads gradients on", "set training.watch=null")
        if self.tokenizer and self.data.text != VocabularySettings.of({"length": self.data.text.length}):
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
        """Check the balancing method against the tasks and the network."""
        balancing = self.balancing
        if len(self.tasks) == 1 or balancing.own_path:
            return  # nothing to balance with one task; a user's own method is not imported here
        method, least = balancing.method, balancing.required_tasks()
        if len(self.tasks) < least:
            raise ValueError(f"balancing.method '{method}' needs at least {least} tasks; found {len(self.tasks)}")
        if balancing.reads_gradients:
            self._check_shared(f"balancing.method '{method}' reads gradients on", "a method that needs no gradients")
        if balancing.takes_preference:
            self._check_shared(f"balancing.method '{method}' gives a preference to", "a method that needs none")
            if not self.model.trunk.accepts_appended:
                *others, last = (name for name, it in Trunk.choices.items() if it.accepts_appended)
                raise ValueError(
                    f"balancing.method '{method}' appends a preference to the rows, which a trunk "
                    f"'{self.model.trunk.kind}' cannot take: use {', '.join(others)} or {last}"
                )

    def check_trials(self) -> None:
        """Refuse a number of trials that cannot be divided evenly among the replicates.

        Raises:
            ValueError: It cannot.
        """
        trials, count = self.tuning.trials if self.tuning else "auto", self.replicates
        if trials != "auto" and trials % count:
            near = max(1, round(trials / count)) * count
            otherwise = "" if self.awaits_data else ", or tuning.replicates"
            raise ValueError(
                f"tuning.trials={trials} cannot be dealt out to {count} replicates evenly: give a multiple of {count}, "
                f"such as {near}{otherwise}"
            )

    def _check_augmented(self) -> None:
        """Refuse augmentation of a source that no task reads."""
        names = self.training.augment if isinstance(self.training.augment, dict) else ()
        for name in names:
            if name not in self.source_names:
                otherwise = f"the tasks read {', '.join(self.source_names)}"
                raise ValueError(f"training.augment: {unknown_name('source', name, self.source_names, otherwise)}")

    def _check_shared(self, does: str, otherwise: str) -> None:
        """Refuse a feature that works on shared layers if there are none."""
        if not self.model.sharing.shares:
            raise ValueError(
                f"{does} layers that the tasks share, and model.sharing=separate shares none: use "
                f"model.sharing=shared, or {otherwise}"
            )
        if not self.model.trunk.layered:
            raise ValueError(
                f"{does} layers that the tasks share, and model.trunk.widths=[] leaves none: give the trunk a width"
            )

    @property
    def awaits_data(self) -> bool:
        """Whether the data tell how many replicates there are: every row may test, see `pipeline.steps.settling`."""
        return not isinstance(self.data.test, float)

    @property
    def replicates(self) -> int:
        """Repeats of the whole procedure in every tuned arm: `tuning.replicates`, else the number of seeds."""
        return (self.tuning.replicates if self.tuning else None) or self.training.seeds

    @property
    def trials(self) -> int:
        """Trials of an arm's study; `auto` counts as six per replicate until the number is planned."""
        assert self.tuning is not None
        return TRIALS_A_REPLICATE * self.replicates if self.tuning.trials == "auto" else self.tuning.trials

    @property
    def own_paths(self) -> list[str]:
        """Paths of the user's own parts that a network is trained with."""
        losses = [task.own_loss for task in self.tasks.values()]
        own = (self.model.trunk.own_path, self.model.head.own_path, self.balancing.own_path, *losses)
        return [path for path in own if path]

    @property
    def validates(self) -> bool:
        """Whether rows are held out for validation: a split, or folds."""
        return self.training.folds is not None or self.data.validation > 0.0

    @property
    def tokenizer(self) -> str | None:
        """The encoder whose tokenizer encodes text; None if a vocabulary of the training rows does."""
        trunk = self.model.trunk
        return trunk.model if isinstance(trunk, HuggingFace) else None

    @property
    def source_names(self) -> list[str]:
        """Names of the sources, in the order of their first mention by a task."""
        return list(dict.fromkeys(task.source for task in self.tasks.values()))
