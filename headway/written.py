"""An experiment of Python's values, written into the project as `headway init` writes one of files."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.commands.init import drafted, write_experiment
from pipeline.config import parse_value
from pipeline.config.dotted import merged
from pipeline.config.tasks import named
from pipeline.drafts.writing import dumped
from pipeline.errors import Failure, UserError

if TYPE_CHECKING:
    import pandas as pd

Targets = str | Iterable[str] | Mapping[str, str | Iterable[str] | None]
"""What to predict: as `--targets` takes it; names; or names with their kind (None: guessed) or columns of 0 and 1."""

_MARK = "# Written by headway.Experiment, which keeps what is changed by hand: "


def written(
    data: "pd.DataFrame | str | Path | None", targets: Targets, name: str, project: Path, parts: Mapping[str, Any]
) -> Path:
    """Write an experiment, over one that was written so before and not changed since.

    Args:
        data: The table, see `headway.Experiment`.
        targets: See `headway.Experiment`.
        name: Of the experiment.
        project: The project folder.
        parts: Of the file, over those of the draft.

    Returns:
        The experiment's file.

    Raises:
        UserError: An argument is wrong, or another experiment has this name.
        Failure: A file cannot be written.
    """
    try:
        named("experiment", name)
    except ValueError as error:
        raise UserError(str(error)) from None
    file = project / "experiments" / f"{name}.yaml"
    if file.exists() and not _is_ours(file):
        raise UserError(
            f"{file} is there already, and was not written by headway.Experiment or was changed since: give another "
            f"name, or Experiment.load('{name}')"
        )
    if data is None:
        if not parts:
            raise UserError("an experiment is made of a table and targets, or of its parts, such as tasks={...}")
        _write(file, dumped({"name": name, **parts}), project)
        return file
    if isinstance(data, str | Path):
        _write(file, _drafted(Path(data), targets, name, project, parts), project)
        return file
    table = project / "data" / f"{name}.parquet"
    if table.exists() and not file.exists():
        raise UserError(f"{table} is there already: give another name")
    with _in_place_of(table):
        save_table(data, table)
        _write(file, _drafted(table, targets, name, project, parts), project)
    return file


def _drafted(data: Path, targets: Targets, name: str, project: Path, parts: Mapping[str, Any]) -> str:
    """The text of the draft, with the given parts laid over it."""
    if not data.exists():
        raise UserError(f"{data}: no such file or folder")
    text = drafted(data, None, _as_option(targets), False, name, project)
    return dumped(merged(parse_value(text), parts)) if parts else text


def _as_option(targets: Targets) -> str:
    """As `--targets` takes them."""
    if isinstance(targets, str):
        return targets
    pairs = targets.items() if isinstance(targets, Mapping) else ((it, None) for it in targets)
    return ",".join(_target(*pair) for pair in pairs)


def _target(name: str, about: str | Iterable[str] | None) -> str:
    if about is None:
        return _quoted(name)
    if isinstance(about, str):
        return f"{_quoted(name)}:{about}"
    return f"{_quoted(name)}={'+'.join(map(_quoted, about))}:multilabel"


def _quoted(name: str) -> str:
    if not isinstance(name, str):
        raise UserError(f"target {name!r} is no name of a column: columns are named by text")
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _in_place_of(table: Path) -> Iterator[None]:
    """Let a file be written where one may be, which comes back if that fails.

    Raises:
        Failure: It cannot be written.
    """
    before = table.with_name(f".{table.name}.before")
    try:
        table.parent.mkdir(exist_ok=True)
        if table.exists():
            table.replace(before)
        try:
            yield
        except BaseException:
            table.unlink(missing_ok=True)
            if before.exists():
                before.replace(table)
            raise
        before.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(f"{table}: cannot be written ({error.strerror})") from None


def save_table(data: Any, table: Path | IO[bytes]) -> None:
    """Write a frame, without its index.

    Raises:
        UserError: It is no frame, or a column has values of several types or no name.
    """
    import pandas as pd
    import pyarrow as pa

    frame = data.to_pandas() if hasattr(data, "to_pandas") else data
    if not isinstance(frame, pd.DataFrame):
        raise UserError(f"the table is a {type(data).__name__}: give a pandas frame, or the path of a file or folder")
    if unnamed := [it for it in frame.columns if not isinstance(it, str)]:
        raise UserError(
            f"column {unnamed[0]!r} of the frame is not named by text: rename it, as by frame.rename(columns=str)"
        )
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UserError(f"the frame has two columns '{twice}'")
    try:
        frame.to_parquet(table, index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        said = " ".join(map(str, error.args)).splitlines()[0]
        raise UserError(f"the frame cannot be written as Parquet: {said}") from None


def _write(file: Path, text: str, project: Path) -> None:
    body = f"{text.rstrip()}\n"
    write_experiment(file, f"{body}{_MARK}{_digest(body)}\n", project)


def _is_ours(file: Path) -> bool:
    """Whether a file is as it was written here."""
    try:
        body, mark, digest = file.read_text(encoding="utf-8").rpartition(_MARK)
    except (OSError, UnicodeDecodeError):
        return False
    return bool(mark) and digest.strip() == _digest(body)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:12]
