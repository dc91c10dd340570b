"""What a command found: its answer, tables as pandas frames, figures, and where the runs and the report are."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.steps.context import Context, StepResult
from pipeline.tracking.links import run_page, whole

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headway.model import Model

_TUNE, _TRAIN, _EVALUATE = "tune", "train ", "evaluate"
_TRIALS, _HISTORY = "trials.parquet", "history.parquet"


@dataclass(frozen=True)
class Result:
    """The result of a command of an experiment.

    As text it is the first line of the report; a notebook shows it with the metrics of the candidates.

    Attributes:
        command: `run`, `prepare`, `train`, `tune`, `evaluate`, `report`, `compare`, `affinity` or `explain`.
        experiment: Name of the experiment.
        project: The project folder.
        answer: The first line of the report; of a command without one, what was done.
        decision: `helps`, `hurts`, `mixed`, `no_difference`, `unknown` or `no_claim`; None where nothing is decided.
        report: The page; None where there is none.
        model: Address of the registered model, `models:/NAME@champion`; None where nothing is registered.
        run_id: Of the command's own MLflow run.
        page: Where MLflow's UI shows that run.
        done: The steps, by title, in their order.
    """

    command: str
    experiment: str
    project: Path
    answer: str
    decision: str | None
    report: Path | None
    model: str | None
    run_id: str
    page: str
    done: Mapping[str, StepResult]

    @classmethod
    def of(cls, command: str, context: Context, found: Mapping[str, Any]) -> "Result":
        """From what a command returns, see `pipeline.commands.execute.carry_out`."""
        run_id = context.parent or ""
        cached = all(it.cached for it in context.done.values())
        said = f"{command} of {context.experiment.name} is done{', answered by earlier runs' if cached else ''}"
        return cls(
            command,
            context.experiment.name,
            context.project,
            found.get("answer") or said,
            found.get("decision"),
            Path(found["report"]) if found.get("report") else None,
            found.get("model"),
            run_id,
            whole(context.project, run_page(context.tracker.experiment_id, run_id)),
            dict(context.done),
        )

    def __str__(self) -> str:
        return self.answer

    def __repr__(self) -> str:
        return f"<headway.Result of {self.command} {self.experiment}: {self.answer}>"

    @cached_property
    def steps(self) -> "pd.DataFrame":
        """A row a step: step, key, run_id, cached, outputs (its folder)."""
        import pandas as pd

        rows = [(it.title, it.key, it.run_id, it.cached, str(it.folder)) for it in self.done.values()]
        return pd.DataFrame(rows, columns=["step", "key", "run_id", "cached", "outputs"])

    @cached_property
    def tables(self) -> Mapping[str, "pd.DataFrame"]:
        """All tables of the evaluation and of the page, by name; `pipeline.analysis.evaluation` describes the first."""
        from pipeline.analysis.tables import read

        files = [
            file
            for title, step in self.done.items()
            if not title.startswith((_TUNE, _TRAIN))
            for file in sorted(step.folder.glob("*.csv"))
        ]
        return {file.stem: read(file) for file in files}

    @property
    def metrics(self) -> "pd.DataFrame":
        """On test, a row a candidate, task and metric: mean over seeds or replicates, `low` and `high` of its interval.

        `primary` marks the metric that decides for its task. Accuracies, F1 and R2 are shares, not percent.

        Raises:
            UserError: The command did not open the test split.
        """
        return self._table("scores")

    @property
    def differences(self) -> "pd.DataFrame":
        """A row a pair of candidates (`candidate` minus `against`), task and metric, paired, with its interval.

        Raises:
            UserError: See `metrics`.
        """
        return self._table("differences")

    @property
    def delta_m(self) -> "pd.DataFrame":
        """A row a pair of candidates: the mean relative change over tasks, in percent, with its interval.

        Raises:
            UserError: See `metrics`.
        """
        return self._table("delta_m")

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """A row a trial of every study of the command; `study` is its step, `value` its objective on validation.

        Raises:
            UserError: The command ran no study.
        """
        return self._stacked(_TUNE, _TRIALS, "study", "")

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row an epoch of every network that was trained to its end, trials left out; `kept` marks whose weights are.

        Columns `split/task/metric` as in MLflow; `slot` is the seed or replicate.

        Raises:
            UserError: The command trained none.
        """
        return self._stacked(_TRAIN, _HISTORY, "candidate", _TRAIN)

    @cached_property
    def figures(self) -> Mapping[str, "Figure"]:
        """The report's figures by section and caption, such as `curves: income: validation accuracy`.

        Raises:
            UserError: The command writes no report.
        """
        from headway.page import figures

        return figures(self._page())

    def open_model(self) -> "Model":
        """The model that this command registered, be it champion or not.

        Raises:
            UserError: It registered none.
        """
        from headway.model import Model

        return Model.load(self.run_id, project=self.project)

    def _repr_html_(self) -> str:
        """As notebooks show it."""
        parts = [f"<p><b>{html.escape(self.answer)}</b></p>"]
        if self.report is not None:
            from headway.page import heading

            parts.insert(0, f"<h4>{html.escape(heading(self._page()))}</h4>")
        if "scores" in self.tables:
            parts.append(self._shown().to_html(border=0, na_rep=""))
        places = {"report": self.report, "model": self.model, "run": self.page}
        told = [f"{name}: <code>{html.escape(str(it))}</code>" for name, it in places.items() if it]
        return "".join([*parts, f"<p>{'<br>'.join(told)}</p>"])

    def _shown(self) -> "pd.DataFrame":
        """Candidates by tasks: the metric that decides, with its interval."""
        rows = self.metrics[self.metrics["primary"].astype(bool)]
        told = [
            f"{row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]" if row.low == row.low else f"{row.mean:.4f}"
            for row in rows[["mean", "low", "high"]].itertuples(index=False)
        ]
        columns = (rows["task"] + ": " + rows["metric"]).tolist()
        frame = rows.assign(column=columns, told=told)
        order = {"columns": list(dict.fromkeys(columns)), "index": list(dict.fromkeys(rows["candidate"]))}
        shown: pd.DataFrame = frame.pivot(index="candidate", columns="column", values="told")
        return shown.reindex(**order).rename_axis(index=None, columns=None)

    def _table(self, name: str) -> "pd.DataFrame":
        if name not in self.tables:
            raise UserError(f"{self.command} does not open the test split: evaluate() or run() of the experiment do")
        return self.tables[name]

    def _stacked(self, prefix: str, file: str, column: str, without: str) -> "pd.DataFrame":
        """The tables of all steps whose titles begin so, below one another."""
        import pandas as pd

        found = {title: it.folder / file for title, it in self.done.items() if title.startswith(prefix)}
        if not found:
            what = "runs no study" if prefix == _TUNE else "trains no network to its end"
            raise UserError(f"{self.command} of {self.experiment} {what}")
        frames = [
            pd.read_parquet(path).assign(**{column: title.removeprefix(without)}) for title, path in found.items()
        ]
        whole_table = pd.concat(frames, ignore_index=True)
        return whole_table[[column, *(name for name in whole_table if name != column)]]

    def _page(self) -> Path:
        """The page among the outputs, which later commands leave alone."""
        page = next((file for it in self.done.values() for file in it.folder.glob(f"{it.title}.html")), None)
        if self.report is None or page is None:
            raise UserError(f"{self.command} writes no report: run() does")
        return page
