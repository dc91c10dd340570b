"""`headway study show|best|export|stop EXPERIMENT`: a study as its storage has it, while it runs or later."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import experiment_files, load, project_folder
from pipeline.config.load import STORAGE
from pipeline.errors import Failure, UserError
from pipeline.printable import echo
from pipeline.steps.tune import storage_url
from pipeline.urls import hung_from, redacted, remember, sqlite_file

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from pipeline.tuning.lease import Register

_JOURNAL = "journal://"
_ALL, _TUNED = "", "tuned"


@dataclass(frozen=True)
class _Found:
    """A study of an experiment.

    Attributes:
        experiment: Its name.
        arm: Whose study it is.
        study: The study.
        register: Its attributes.
        storage: Where it is, as it may be shown.
        notes: Sentences on what is not here.
    """

    experiment: str
    arm: str
    study: "Study"
    register: "Register"
    storage: str
    notes: Sequence[str]

    def holder(self) -> dict[str, Any] | None:
        """Who coordinates it; None where nobody does."""
        from pipeline.tuning.lease import holder_of

        return holder_of(self.register)

    def facts(self) -> dict[str, Any]:
        """What is said of it, as JSON has it."""
        holder = self.holder()
        return {
            "experiment": self.experiment,
            "arm": self.arm,
            "study": self.study.study_name,
            "storage": self.storage,
            "coordinator": {key: holder[key] for key in ("host", "pid", "since")} if holder else None,
            "notes": list(self.notes),
        }


def show(experiment: str, arm: str | None, storage: str | None, best_first: bool, limit: int, as_json: bool) -> None:
    """Print a study's trials.

    Args:
        experiment: Name or path of the experiment.
        arm: Whose study; None for the shared network's.
        storage: URL of the storage; None for the experiment's own.
        best_first: Or the newest.
        limit: How many trials at most.
        as_json: As JSON.

    Raises:
        UserError: There is no such experiment or arm, or the storage's URL is wrong.
        Failure: The storage does not respond, or holds no study of the experiment.
    """
    from pipeline.tuning.storage import storage_failures

    found = _one(experiment, arm, storage)
    with storage_failures():
        trials = found.study.get_trials(deepcopy=False)
        facts = found.facts()
    ranked = sorted(trials, key=_rank) if best_first else trials[::-1]
    rows = [_row(trial) for trial in ranked[:limit]]
    if as_json:
        print(json.dumps(facts | {"count": len(trials), "trials": rows}))
        return
    states = [trial.state.name.lower() for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "none yet"
    echo(*_heading(found, facts), f"trials: {counts}", *_lines(rows))
    if len(rows) < len(trials):
        echo(f"{len(rows)} of {len(trials)} trials: --limit {len(trials)} shows all")


def best(experiment: str, arm: str | None, storage: str | None, as_json: bool) -> None:
    """Print the winner of each replicate among the trials that there are.

    Args:
        experiment: See `show`.
        arm: See `show`.
        storage: See `show`.
        as_json: As JSON.

    Raises:
        UserError: See `show`.
        Failure: See `show`.
    """
    from pipeline.tuning.storage import storage_failures
    from pipeline.tuning.study import REPLICATE, leader_of

    found = _one(experiment, arm, storage)
    with storage_failures():
        trials = found.study.get_trials(deepcopy=False)
        facts = found.facts()
    count = 1 + max((trial.user_attrs.get(REPLICATE, 0) for trial in trials), default=0)
    count = found.study.user_attrs.get("replicates", count)
    leaders = [leader_of(trials[replicate::count]) for replicate in range(count)]
    rows = [_row(trial) for trial in leaders if trial]
    lacking = [replicate for replicate, trial in enumerate(leaders) if trial is None]
    if as_json:
        print(json.dumps(facts | {"winners": rows, "without": lacking}))
        return
    unfinished = sum(not trial.state.is_finished() for trial in trials)
    so_far = f", so far: {unfinished} of {len(trials)} trials are unfinished" if unfinished else ""
    echo(*_heading(found, facts), f"winners of {count} replicate{'' if count == 1 else 's'}{so_far}", *_lines(rows))
    if lacking:
        echo(f"no complete trial yet of replicate {', '.join(map(str, lacking))}")


def export(
    experiment: str, file: Path, arm: str | None, storage: str | None, quiet: bool = False, as_json: bool = False
) -> None:
    """Write a study's trials as a table.

    Args:
        experiment: See `show`.
        file: A .parquet or .csv file; one that exists is replaced.
        arm: See `show`.
        storage: See `show`.
        quiet: Print nothing.
        as_json: Print what was written as JSON.

    Raises:
        UserError: See `show`; or the file is of another kind, or lies in no folder.
        Failure: See `show`; or the file cannot be written.
    """
    if file.suffix not in (".parquet", ".csv"):
        raise UserError(f"{file}: a study is written as .parquet or .csv")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{file} lies in a folder that does not exist: create {file.parent}")
    from pipeline.tuning.study import table

    found = _one(experiment, arm, storage)
    trials = table(found.study)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        if file.suffix == ".csv":
            trials.to_csv(partial, index=False)
        else:
            trials.to_parquet(partial, index=False)
        partial.replace(file)
    except OSError as error:
        raise Failure(f"{file} cannot be written ({error.strerror or error})") from None
    finally:
        partial.unlink(missing_ok=True)
    if as_json:
        print(json.dumps(found.facts() | {"count": len(trials), "file": str(file)}))
    elif not quiet:
        echo(*found.notes, f"{len(trials)} trials of {found.study.study_name} written into {file}")


def stop(experiment: str, arm: str | None, storage: str | None, as_json: bool = False) -> None:
    """Ask whoever runs the studies of an experiment to end after the epoch at hand.

    Args:
        experiment: See `show`.
        arm: See `show`; None for all.
        storage: See `show`.
        as_json: Print who was asked as JSON.

    Raises:
        UserError: See `show`.
        Failure: See `show`.
    """
    from pipeline.tuning.lease import ask_to_stop
    from pipeline.tuning.storage import storage_failures

    asked, studies = [], _of_arm(experiment, arm or _ALL, storage)
    with storage_failures():
        for found in studies:
            if found.holder():
                ask_to_stop(found.register)
                asked.append(found.facts())
    name = studies[0].experiment
    if as_json:
        print(json.dumps({"experiment": name, "asked": asked}))
        return
    lines = []
    for it in asked:
        who = f"process {it['coordinator']['pid']} on {it['coordinator']['host']}"
        lines.append(f"{name}, {it['arm']}: {who} was asked to end after the epoch at hand; --resume goes on")
    echo(*studies[0].notes, *(lines or [f"no study of {name} is run by anybody now, so none was stopped"]))


def _one(experiment: str, arm: str | None, storage: str | None) -> _Found:
    """The newest study of an arm, by default of the shared network."""
    return _of_arm(experiment, arm or _TUNED, storage)[0]


def _of_arm(experiment: str, arm: str, storage: str | None) -> list[_Found]:
    """The newest study of each arm, or of one.

    Raises:
        UserError: See `show`.
        Failure: See `show`.
    """
    name, url, notes = _place(experiment, storage)
    from pipeline.tuning.storage import check_storage, connect, storage_failures

    check_storage(url)
    file = Path(url.removeprefix(_JOURNAL)) if url.startswith(_JOURNAL) else sqlite_file(url)
    missing = f"there is no study of {name} in {redacted(url)}: headway tune {name} makes one"
    if file and not file.exists():
        raise Failure(missing)
    import optuna

    from pipeline.tuning.lease import Register
    from pipeline.tuning.study import ARM, SHARED, experiment_of

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    opened = connect(url)
    with storage_failures():
        studies = [(experiment_of(it.study_name, it.user_attrs), it) for it in opened.get_all_studies()]
        newest = {it.user_attrs.get(ARM, SHARED): it.study_name for of, it in studies if of == name}  # in their order
        if not newest:
            others = sorted({of for of, _ in studies if of})
            there = f" (it holds studies of {', '.join(others)})" if others else ""
            raise (UserError if others and storage else Failure)(missing + there)
        wanted = SHARED if arm == _TUNED else arm
        if arm and wanted not in newest:
            arms = ", ".join("tuned" if it == SHARED else it for it in newest)
            raise UserError(f"--arm {arm}: the arms of {name} that have a study in {redacted(url)} are {arms}")
        return [
            _Found(
                name, of, optuna.load_study(study_name=study, storage=opened),
                Register(opened, opened.get_study_id_from_name(study)), redacted(url), notes,
            )
            for of, study in newest.items() if not arm or of == wanted
        ]  # fmt: skip


def _place(experiment: str, storage: str | None) -> tuple[str, str, list[str]]:
    """An experiment's name, the storage of its studies, and sentences on what is not here.

    Raises:
        UserError: There is no such experiment, and no storage is named; or it searches nothing.
    """
    if storage is not None and not storage.strip():
        raise UserError("--storage names no storage: write for example sqlite:///optuna.db")
    named = storage or os.environ.get(STORAGE)
    try:
        project = project_folder()
    except UserError:
        if not named:
            raise
        project = Path.cwd()
    is_file = experiment in experiment_files(project) or os.path.isfile(experiment)
    if named and not is_file and "/" not in experiment:
        remember(named)
        return (
            experiment,
            hung_from(project, named),
            [f"no file of {experiment} is here: its storage tells all that follows"],
        )
    values = {"tuning.storage": storage} if storage else {}
    loaded = load(experiment, values, project)
    if loaded.tuning is None:
        raise UserError(f"{loaded.name} searches nothing (tuning: null), so it has no study")
    return loaded.name, storage_url(loaded, project), []


def _rank(trial: "FrozenTrial") -> tuple[bool, float, int]:
    """Complete trials by their value, then the others by their number."""
    complete = trial.state.name == "COMPLETE" and trial.value is not None
    return not complete, -float(trial.value or 0.0) if complete else 0.0, trial.number


def _row(trial: "FrozenTrial") -> dict[str, Any]:
    """A trial as JSON has it."""
    from pipeline.config.space import WEIGHTS
    from pipeline.tuning.study import REASON, REPLICATE, VALUES

    values = dict(trial.user_attrs.get(VALUES, {}))
    weights: Mapping[str, float] = values.pop(WEIGHTS, None) or {}
    whole = sum(weights.values())
    value = trial.value if trial.state.name == "COMPLETE" else None
    return {
        "number": trial.number,
        "replicate": trial.user_attrs.get(REPLICATE, 0),
        "state": trial.state.name,
        "value": value if value is None or math.isfinite(value) else None,
        "validations": len(trial.intermediate_values),
        "values": values,
        "shares": {task: weight / whole for task, weight in weights.items()} if whole else {},
        "reason": trial.user_attrs.get(REASON, ""),
    }


def _heading(found: _Found, facts: Mapping[str, Any]) -> Iterator[str]:
    """What study it is, who runs it, and what is not here."""
    yield from found.notes
    yield f"{found.experiment}, {found.arm}: {found.study.study_name} in {found.storage}"
    if it := facts["coordinator"]:
        yield f"run by process {it['pid']} on {it['host']}, since {it['since']}"


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a trial, in columns as wide as they have to be."""
    if not rows:
        return []
    settings = list(dict.fromkeys(key for row in rows for key in row["values"]))
    tasks = list(dict.fromkeys(task for row in rows for task in row["shares"]))
    reasons = any(row["reason"] for row in rows)
    head = ["trial", "replicate", "state", "value", *(it.rpartition(".")[2] for it in settings)]
    head += [*(f"weight {task}" for task in tasks), *(["reason"] if reasons else [])]
    cells = [
        [str(row["number"]), str(row["replicate"]), row["state"].lower()]
        + ["-" if row["value"] is None else f"{row['value']:+.4f}"]
        + [_text(row["values"].get(key)) for key in settings]
        + [f"{row['shares'][task]:.0%}" if task in row["shares"] else "-" for task in tasks]
        + ([" ".join(str(row["reason"]).split())] if reasons else [])
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(f"{it:{width}}" for it, width in zip(line, widths, strict=True)).rstrip() for line in [head, *cells]
    ]


def _text(value: Any) -> str:
    """A value that was tried, to four digits where it is a number."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
