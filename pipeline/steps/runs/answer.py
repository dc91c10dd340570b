"""What the pipeline's own run carries when its steps are done, be they run now or before.

These are the metrics that decide, a description, the page, the data sets; and the registered model is tied to its
figures. Nothing here is part of a step: all of it is read from outputs and from runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.compare import TUNED
from pipeline.config.tasks import ALL, titles
from pipeline.printable import markdown
from pipeline.steps.context import Context
from pipeline.steps.runs.curves import BEST
from pipeline.steps.runs.markdown import link, predicted, table
from pipeline.steps.runs.parameters import of_network
from pipeline.steps.runs.questions import DELTA_M, KEPT_OBJECTIVE, PIPELINES, of_study
from pipeline.steps.select import selected
from pipeline.store_keys import keys_of
from pipeline.tracking import tags
from pipeline.tracking.links import artifact_page, model_page, run_page, runs_page, version_page
from pipeline.tracking.registry import champion, logged_model, tie, version_of_run
from pipeline.tracking.views import share

if TYPE_CHECKING:
    from pipeline.tracking.run import Run

_MOST_TASKS = 6  # columns of a description
_MOST_METRICS = 40
_MOST_COLUMNS = 12  # of a view
_LONGEST = 8_000  # letters of a tag's value in MLflow, which cuts what is longer
_INTERVAL = ("_ci_low", "_ci_high")
_DELTA_M = DELTA_M.rpartition("/")[2]


def conclude(context: Context, run: "Run", result: Mapping[str, Any]) -> None:
    """Let the pipeline's own run carry the answer.

    Args:
        context: Of the command, whose steps are done.
        run: The pipeline's own.
        result: What the command found, see `pipeline.steps.graph.run`.
    """
    found = _Found(context, result)
    run.datasets(found.datasets)
    run.metrics(found.metrics())
    if report := result.get("report"):
        run.artifact(Path(report))
    run.describe(found.description(run.id))
    if found.model:
        run.model(found.model.model_id)
        found.tie_model()
    if context.done and all(it.cached for it in context.done.values()):
        run.rename(f"{context.title} (cached)")


@dataclass(frozen=True)
class _Found:
    """What the steps of a command have found.

    Attributes:
        context: Of the command.
        result: Of the command.
    """

    context: Context
    result: Mapping[str, Any]

    @cached_property
    def runs(self) -> dict[str, Any]:
        """The run that answers each step, by the step's title; in the order in which they were done."""
        every = {it.title: self.context.tracker.get(it.run_id) for it in self.context.done.values()}
        return {title: run for title, run in every.items() if run is not None}

    def _of(self, step: str) -> list[str]:
        """Titles of the steps of a kind."""
        return [title for title, run in self.runs.items() if run.data.tags.get(tags.STEP) == step]

    @property
    def datasets(self) -> list[Any]:
        """The data sets that the steps have read."""
        return [it for run in self.runs.values() if run.inputs for it in run.inputs.dataset_inputs]

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        """On test candidate, task, metric, mean, low and high: of each task's primary metric, and delta-m for all."""
        from pipeline.analysis.candidate import SINGLE
        from pipeline.analysis.tables import primary, read

        if not (found := self._of("evaluate")):
            return []
        folder = self.context.done[found[0]].folder  # two of the tables that `Evaluation` reads
        every, gains = primary(read(folder / "scores.csv")), read(folder / "delta_m.csv")
        gains = gains[gains["against"] == SINGLE]
        return [*every.to_dict("records"), *(it | {"task": ALL, "metric": _DELTA_M} for it in gains.to_dict("records"))]

    @cached_property
    def kept(self) -> dict[str, dict[str, float]]:
        """What networks and studies reached on validation, by candidate: `validation/task/metric`."""
        found = {}
        for title in (*self._of("train"), *self._of("tune")):
            own = {key.removeprefix(BEST): value for key, value in self.runs[title].data.metrics.items()
                   if key.startswith(BEST) and not key.endswith(_INTERVAL)}  # fmt: skip
            found[title] = own
        return found

    def metrics(self) -> dict[str, float]:
        """Few metrics, the ones that decide: `test/candidate/task/metric`, or without test those of validation."""
        found = {(row["task"] == ALL, f"test/{row['candidate']}/{row['task']}/{row['metric']}"): float(row["mean"])
                 for row in self.scores}  # fmt: skip
        if not found:
            found = {(key.startswith(f"validation/{ALL}/"), key.replace("/", f"/{_called(title)}/", 1)): value
                     for title, own in self.kept.items() for key, value in own.items()}  # fmt: skip
        for title in self._pages:
            found |= {(True, key): value for key, value in self.runs[title].data.metrics.items()}
        first = sorted(found.items(), key=lambda it: not it[0][0])[:_MOST_METRICS]
        keys = keys_of([name for (_, name), _ in first])
        return {keys[name]: value for (_, name), value in first}

    @property
    def _pages(self) -> list[str]:
        """Titles of the steps whose page is the command's own, where they have metrics of their own."""
        return [title for step in ("affinity", "explain") for title in self._of(step)]

    def description(self, run_id: str) -> str:
        """The first line, a table of the candidates, and where all of it is."""
        answer = self.result.get("answer")
        first = [f"**{markdown(answer)}**" if answer else "", self._table()]
        last = [f"`{self.context.command}`" if self.context.command and "`" not in self.context.command else ""]
        links, studies, steps = list(self._links(run_id)), list(self._studies()), list(self._steps())
        left = 0
        while True:
            more = [f"{left} more, among the child runs"] if left else []
            listed = [*links, *studies, *([f"Steps: {', '.join([*steps, *more])}"] if steps or more else [])]
            text = "\n\n".join(filter(None, [*first, "\n".join(f"- {line}" for line in listed), *last]))
            if len(text) <= _LONGEST or not (studies or steps):
                return text
            (steps or studies).pop()
            left += 1

    def _table(self) -> str:
        if not self.scores:
            return self._table_of_validation()
        called = {**titles(self.context.experiment.tasks), ALL: "delta-m"}
        tasks = list(dict.fromkeys(row["task"] for row in self.scores))
        tasks = [*[it for it in tasks if it != ALL][:_MOST_TASKS], *([ALL] if ALL in tasks else [])]
        metric = {row["task"]: row["metric"] for row in self.scores}
        cells: dict[str, dict[str, str]] = {}
        for row in self.scores:
            cells.setdefault(row["candidate"], {})[row["task"]] = _cell(row)
        headers = [called[it] if it == ALL else f"{called.get(it, it)}: {metric[it]}" for it in tasks]
        rows = [[name, *(own.get(it, "") for it in tasks)] for name, own in cells.items()]
        left = len({row["task"] for row in self.scores} - {ALL}) - _MOST_TASKS
        more = f"\n\n{left} more tasks stand in the report." if left > 0 else ""
        return f"{table(['on test', *headers], rows)}{more}"

    def _table_of_validation(self) -> str:
        keys = list(dict.fromkeys(key for own in self.kept.values() for key in own))[: _MOST_TASKS + 1]
        if not keys:
            return ""
        rows = [[title, *(f"{own[key]:.4f}" if key in own else "" for key in keys)] for title, own in self.kept.items()]
        return table(["on validation", *(key.removeprefix("validation/") for key in keys)], rows)

    def _links(self, run_id: str) -> Iterator[str]:
        experiment = self.context.tracker.experiment_id
        if report := self.result.get("report"):
            yield link("Report", artifact_page(experiment, run_id, Path(report).name))
        if version := self.version:
            first = champion(self.context.tracker.client, version.name)
            is_champion = first is not None and first.version == version.version
            role = "champion" if is_champion else f"not the champion, which is version {first.version}" if first else ""
            at = link(f"{version.name} version {version.version}", version_page(version.name, version.version))
            page = model_page(self.model.experiment_id, self.model.model_id) if self.model else ""
            source = f", {link('its metrics and data', page)}" if page else ""
            yield f"Model {at}, {role}{source}"
        yield link("All pipelines of this experiment", self._pipelines())

    def _studies(self) -> Iterator[str]:
        for title in self._of("tune"):
            run = self.runs[title]
            yield f"Study {link(title, _page(run))}, {link('its trials, best first', self._trials(title, run))}"

    def _steps(self) -> Iterator[str]:
        for title, run in self.runs.items():
            yield f"{link(title, _page(run))}{' (cached)' if self.context.done[title].cached else ''}"

    def _trials(self, title: str, run: Any) -> str:
        """The page of a study's trials; a view with columns of its own for that of the shared network."""
        where, order = of_study(run.data.tags.get(tags.STUDY, "")), f"metrics.`{KEPT_OBJECTIVE}`"
        if title != "tune":
            return runs_page(run.info.experiment_id, where, order)
        experiment = self.context.experiment
        space = tuple(experiment.tuning.space) if experiment.tuning else ()
        columns = [f"metrics.`{key}`" for key in run.data.metrics if key.startswith(BEST)]
        columns += [f"params.`{key}`" for key in of_network(experiment) if key.startswith(space)]
        columns.append(f"tags.`{tags.TRIAL_STATE}`")
        key = f"headway-{run.data.tags.get(tags.STUDY, '').replace('#', '-')}"
        return share(self.context.tracker.client, run.info.experiment_id, key, where, columns[:_MOST_COLUMNS], order)

    def _pipelines(self) -> str:
        """The page of the experiment's pipelines; a view with columns of its own once test was opened."""
        tracker = self.context.tracker
        if not self.scores:
            return runs_page(tracker.experiment_id, PIPELINES)
        # The same whichever command comes last, beside what this one has of its own.
        role = TUNED if self.context.experiment.tuning else "default"
        metric = {row["task"]: row["metric"] for row in self.scores if row["task"] != ALL}
        usual = [f"test/{name}/{ALL}/{_DELTA_M}" for name in dict.fromkeys((role, "default"))]
        usual += [f"test/{role}/{task}/{name}" for task, name in metric.items()]
        own = [key for key in self.metrics() if key.endswith(f"/{_DELTA_M}")]
        columns = list(dict.fromkeys([*keys_of(usual[: _MOST_TASKS + 2]).values(), *own[:_MOST_TASKS]]))
        shown = [f"tags.`{tags.DECISION}`", *(f"metrics.`{key}`" for key in columns[:_MOST_COLUMNS])]
        return share(tracker.client, tracker.experiment_id, "headway", PIPELINES, shown)

    @cached_property
    def version(self) -> Any:
        """Of the registered model, the one that this command's choice became."""
        client, name = self.context.tracker.client, self.context.experiment.name
        found = (version_of_run(client, name, self.context.done[it].run_id) for it in reversed(self._of("select")))
        return next(filter(None, found), None)

    @cached_property
    def model(self) -> Any:
        """What that version was made of."""
        return logged_model(self.context.tracker.client, self.version) if self.version else None

    def tie_model(self) -> None:
        """Tie the registered model to the figures of its candidate on test and validation, each to its data set.

        MLflow's page of a version shows no metrics, and links to that of the logged model, which shows these.
        """
        assert self.model is not None
        tracker = self.context.tracker
        chosen = selected(self.context.done[self._of("select")[-1]].folder)
        steps = dict.fromkeys(it["step"] for it in chosen["networks"])
        sources = [self.runs[title] for title in steps if title in self.runs]
        for title in self._of("evaluate"):
            sources += reversed(list(tracker.children(self.runs[title].info.run_id, chosen["role"])))  # in their order
        digests = {it.dataset.name: it.dataset.digest for it in self.datasets}
        for run in sources:
            tie(tracker.client, self.model, run, _datasets(run, digests, alone=len(steps) == 1))


def _datasets(run: Any, digests: Mapping[str, str], alone: bool) -> dict[str, tuple[str, str]]:
    """Of each metric of a run that says what was reached, the name and digest of its data set.

    Args:
        run: Of training or of evaluating.
        digests: Of data sets, by name.
        alone: The model is one network, so that values over all tasks are its own.
    """
    found = {}
    for key in run.data.metrics:
        split = key.removeprefix(BEST).partition("/")[0]
        name, is_curve = f"prepared.{split}", split != "test" and not key.startswith(BEST)
        if name in digests and not is_curve and not key.endswith(_INTERVAL) and (alone or f"/{ALL}/" not in key):
            found[key] = (name, digests[name])
    return found


def _called(title: str) -> str:
    """A candidate, as its metrics call it, by the title of its training or study."""
    kind, _, name = title.partition(" ")
    return name or (TUNED if kind == "tune" else kind)


def _cell(row: Mapping[str, Any]) -> str:
    from pipeline.analysis.metrics import of_one

    mean, low, high = (float(row[it]) for it in ("mean", "low", "high"))
    if mean != mean:
        return "unknown"
    scale, form, unit = (100.0, ".2f", " %") if of_one(row["metric"]) else (1.0, ".4g", "")
    if row["metric"] == _DELTA_M:
        form, unit = "+.2f", " %"
    within = f" [{scale * low:{form}}, {scale * high:{form}}]" if low == low and high == high else ""
    return f"{scale * mean:{form}}{unit}{within}"


def _page(run: Any) -> str:
    return run_page(run.info.experiment_id, run.info.run_id)


def described(context: Context, purpose: str) -> str:
    """The description of an MLflow experiment.

    Args:
        context: Of a command on it.
        purpose: What the experiment is for, in a line; may be empty.
    """
    page = link("Its pipelines.", runs_page(context.tracker.experiment_id, PIPELINES))
    return f"{markdown(purpose)} {page}\n\nTasks:\n\n{predicted(context.experiment.tasks)}".lstrip()
