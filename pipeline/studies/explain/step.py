"""Explain: what the network looks at for each task, on rows of the validation split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment
from pipeline.steps.context import Context
from pipeline.steps.data import log_datasets, opened
from pipeline.steps.page import PageStep
from pipeline.steps.reproduce import commands, facts
from pipeline.steps.step import Step
from pipeline.steps.train import Train
from pipeline.tracking import tags

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pipeline.data.prepared import Prepared
    from pipeline.serving.rebuilt import Rebuilt
    from pipeline.studies.explain.attributions import Explained
    from pipeline.studies.explain.explanation import Subject
    from pipeline.tracking.run import Run


@dataclass(frozen=True)
class Chosen:
    """A trained candidate, and which of its networks are explained.

    Attributes:
        trained: The candidate.
        places: Of the network that is explained, then of another that is held against it, if it is there.
    """

    trained: Train
    places: tuple[int, ...] = (0, 1)


class Explain(PageStep):
    """One candidate's network, or that of each task.

    Args:
        experiment: Whose tasks are explained.
        prepare: Prepares the data.
        chosen: What predicts these tasks: one candidate, or one a task.
    """

    name = title = "explain"
    packages = ("captum", "scipy", "plotly", "jinja2")

    def __init__(self, experiment: Experiment, prepare: Step, chosen: Sequence[Chosen]) -> None:
        self.experiment = experiment
        self.inputs = (prepare, *(it.trained for it in chosen))
        self._prepare, self._chosen = prepare, chosen

    def reads(self) -> dict[str, Any]:
        """The networks."""
        return {"networks": {it.trained.title: list(it.places) for it in self._chosen}}

    def tags(self) -> dict[str, str]:
        """Whose networks they are."""
        return {tags.ROLE: self._chosen[0].trained.role, tags.PREPARED: self._prepare.digest}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Attribute, compare, and draw the page."""
        from pipeline.studies.explain.answer import answer
        from pipeline.studies.explain.explanation import explain
        from pipeline.studies.explain.page import explanation_page
        from pipeline.training.numerics import settle

        settle()
        log_datasets(run, self._prepared, ("validation",))
        found = explain(self._subjects(), self.experiment.seed, context.console.detail)
        found.save(folder)
        run.metrics(found.metrics())
        whose = self._whose()
        page = explanation_page(self.experiment.name, whose, found, commands(context), facts(context))
        self.publish(run, folder, page, answer(found, whose))

    @property
    def _prepared(self) -> "Prepared":
        """What the networks that are put to use were trained on."""
        return opened(self._prepare, self.experiment, whole=True)

    def _subjects(self) -> dict[str, "Subject"]:
        """Every task with its network and another, and rows of its source that its network has not learnt from."""
        from pipeline.serving.rebuilt import rebuilt
        from pipeline.studies.explain.explanation import Subject
        from pipeline.training.saved import file_of
        from pipeline.training.slot import seed_slots

        prepared = self._prepared
        rows: dict[int | None, dict[str, _Rows]] = {}
        subjects = {}
        for it in self._chosen:
            every = seed_slots(it.trained.experiment, prepared)
            slots = [every[place] for place in it.places if place < len(every)]
            networks = [rebuilt(file_of(it.trained.outputs, slot.name), slot.name) for slot in slots]
            if (fold := slots[0].fold) not in rows:
                rows[fold] = _rows(prepared.holding_out(fold), self.experiment)
            for task in networks[0]:
                own, *others = [_explained(prepared, task, network[task]) for network in networks]
                of = rows[fold][source := prepared.tasks[task].source]
                subjects[task] = Subject(
                    source, own, others[0] if others else None, of.inputs, networks[0][task].task, of.labels[task]
                )
        return {task: subjects[task] for task in prepared.tasks}

    def _whose(self) -> str:
        """What is explained, in words."""
        from pipeline.training.slot import seed_slots

        if len(self._chosen) > 1:
            return "a network for each task"
        (it,) = self._chosen
        slot = seed_slots(it.trained.experiment, self._prepared)[it.places[0]].name.replace("/", " ")
        title = it.trained.title.removeprefix("train ")
        called = {"default": "the network of the experiment as written", "tuned": "the tuned network"}.get(title, title)
        return f"{called} ({slot})"


@dataclass(frozen=True)
class _Rows:
    """Some rows of a source, float32 [B, F], and their labels by task, as prepared."""

    inputs: "Tensor"
    labels: dict[str, "np.ndarray"]


def _rows(prepared: "Prepared", experiment: Experiment) -> dict[str, _Rows]:
    """Rows of each source's validation split, drawn by the seed."""
    import numpy as np
    import torch

    from pipeline.draws import seed_of

    found = {}
    split = prepared.split("validation")
    for source, count in split.rows.items():
        draws = np.random.default_rng(seed_of(experiment.seed, "explain", source))
        chosen = np.sort(draws.permutation(count)[: experiment.explain.rows])
        at = split.at[source][chosen] if source in split.at else chosen
        labels = {task: split.labels[task][chosen] for task, it in prepared.tasks.items() if it.source == source}
        found[source] = _Rows(torch.from_numpy(split.inputs[source][at].astype(np.float32)), labels)
    return found


def _explained(prepared: "Prepared", task: str, network: "Rebuilt") -> "Explained":
    from pipeline.studies.explain.attributions import Explained
    from pipeline.studies.explain.inputs import inputs_of

    source, about = prepared.sources[network.source], prepared.tasks[task]
    inputs = inputs_of(source.shape, source.encoding)
    entities = tuple(name[1:2] == "-" for name in about.classes) if about.definition.per_token else ()
    return Explained(about.kind, inputs, network.network, network.embedded, network.widths, entities)
