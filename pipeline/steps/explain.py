"""Explain: what the network looks at for each task, on rows of the validation split."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Experiment, changed
from pipeline.steps.context import Context, Done
from pipeline.steps.step import Step
from pipeline.steps.train import Train, log_datasets
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.analysis.attributions import Explained
    from pipeline.analysis.explanation import Subject
    from pipeline.data.prepared import Prepared
    from pipeline.tracking.rebuilt import Rebuilt
    from pipeline.tracking.run import Run

PAGE, ANSWER = "explain.html", "answer.txt"


class Explain(Step):
    """One candidate's network.

    Args:
        experiment: Whose tasks are explained.
        prepared: Key of the prepare step.
        trained: The candidate.
        done: What its training answered.
    """

    name = title = "explain"

    def __init__(self, experiment: Experiment, prepared: str, trained: Train, done: Done) -> None:
        self.experiment = experiment
        self._prepared, self._trained, self._done = prepared, trained, done

    def key(self) -> Key:
        """Code, how many rows, and the network."""
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions("captum", "scipy", "plotly"),
                "values": changed(self.experiment, ("explain", "seed")),
                "upstream": {"prepare": self._prepared, self._trained.title: self._done.key},
            }
        )

    def tags(self) -> dict[str, str]:
        """Whose network it is."""
        return {tags.ROLE: self._trained.role, tags.PREPARED: self._prepared}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Attribute, compare, and draw the page."""
        from pipeline.analysis.explanation import explain
        from pipeline.analysis.report.explained import explained_page, said
        from pipeline.training.numerics import settle

        settle()
        log_datasets(run, context, self._prepared, ("validation",))
        found = explain(self._subjects(context), self.experiment.seed, partial(_said, context))
        found.save(folder)
        page = explained_page(self.experiment.name, self._trained.title.removeprefix("train "), found)
        (folder / PAGE).write_text(page, encoding="utf-8")
        (folder / ANSWER).write_text(said(found), encoding="utf-8")
        run.metrics(found.metrics())
        run.artifacts(folder)

    def _subjects(self, context: Context) -> dict[str, "Subject"]:
        """Every task with the networks of the first two seeds, and rows of its source."""
        from pipeline.analysis.explanation import Subject
        from pipeline.data.prepared import open_prepared
        from pipeline.tracking.rebuilt import rebuilt
        from pipeline.training.saved import FILE
        from pipeline.training.slot import seed_slots

        prepared = open_prepared(context.prepared_folder(self._prepared)).only(self.experiment.tasks)
        slots = seed_slots(self._trained.experiment, prepared.chained)[:2]
        networks = [rebuilt(self._done.folder / FILE, slot.name) for slot in slots]
        rows = _rows(prepared.holding_out(slots[0].fold), self.experiment)
        subjects = {}
        for task, about in prepared.tasks.items():
            own, *others = [_explained(prepared, task, network[task]) for network in networks]
            subjects[task] = Subject(about.source, own, others[0] if others else None, rows[about.source])
        return subjects


def first_line(folder: Path) -> str:
    """How far the tasks look at the same."""
    return (folder / ANSWER).read_text(encoding="utf-8")


def _said(context: Context, text: str) -> None:
    context.say.line(f"  {text}")


def _rows(prepared: "Prepared", experiment: Experiment) -> dict[str, "Tensor"]:
    """Rows of each source's validation split, drawn by the seed, float32 [B, F]."""
    import numpy as np
    import torch

    from pipeline.draws import seed_of

    found = {}
    for source, inputs in prepared.split("validation").inputs.items():
        draws = np.random.default_rng(seed_of(experiment.seed, "explain", source))
        chosen = np.sort(draws.permutation(len(inputs))[: experiment.explain.rows])
        found[source] = torch.from_numpy(inputs[chosen].astype(np.float32))
    return found


def _explained(prepared: "Prepared", task: str, network: "Rebuilt") -> "Explained":
    from pipeline.analysis.attributions import Explained
    from pipeline.analysis.inputs import inputs_of

    source, about = prepared.sources[network.source], prepared.tasks[task]
    inputs = inputs_of(source.shape, source.encoding)
    entities = tuple(name[1:2] == "-" for name in about.classes) if about.kind == "tagging" else ()
    return Explained(about.kind, inputs, network.network, network.embedded, network.widths, entities)
