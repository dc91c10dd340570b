"""Predict: a model scores every row of a file, or every image of a folder, in bounded memory."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.data.tables.rows import Rows
    from pipeline.serving.open_model import OpenModel

Progress = Callable[[int, int | None], None]
"""Takes the number of rows done, and of all rows where it is known."""


def _silent(*_: Any) -> None:
    pass


def predict(
    model_uri: str,
    source: Path,
    output: Path,
    progress: Progress = _silent,
    warn: Callable[[str], None] = _silent,
    preference: str = "",
    spreadsheet: bool = False,
    keep: Sequence[str] | None = None,
) -> int:
    """Score all rows, in their order.

    Args:
        model_uri: Of a model of Headway's, in MLflow's current store.
        source: A table with the columns that the model reads (`pixel_0` ... of images), see
            `pipeline.data.tables.typed.open_table`, or a folder of images, also in folders of it; for a model that
            reads text, a file that `pipeline.data.texts` reads.
        output: A `.csv` or `.parquet` file to write. First stand the columns that are kept; for a folder `file`, a path
            within it.
        progress: Told after each batch.
        warn: Told once of columns that cannot be kept, once of values that the model does not know, and once of classes
            that a spreadsheet program would run as formulas.
        preference: Of a network that is given one: a share of each task, such as `0.8,0.2` in the order of the tasks or
            `left=0.8,right=0.2`. By default the one that the network was trained to be asked for.
        spreadsheet: Whether the output is for a spreadsheet program: a text that one would run as a formula begins with
            `'`. By default it is what programs read, with every class as it was in the training data.
        keep: Columns of the input to keep, as they are there; by default all that are no inputs of the model.

    Returns:
        The number of rows.

    Raises:
        UserError: The model, the input, the output or the preference is not what it should be.
        Failure: The store does not answer, or the output cannot be written.
    """
    from pipeline.data.tables.writer import check_output, is_formula, written
    from pipeline.kinds import kind_of
    from pipeline.serving.open_model import described, open_model

    if not source.exists():
        raise UserError(f"input {source}: no such file or folder")
    check_output(output, source, spreadsheet)
    model = open_model(model_uri)
    about = described(model)
    spelled = (it for it in about["tasks"].values() if kind_of(it["kind"]).form != "labels")  # others answer 0 and 1
    formulas = [name for it in spelled for name in it.get("classes") or () if is_formula(name)]
    if formulas and output.suffix == ".csv" and not spreadsheet:
        warn(f"a spreadsheet program would run the class {formulas[0]} as a formula; for one add --spreadsheet")
    params = {"preference": shares(preference, about.get("preference", {}).get("tasks", []))} if preference else {}
    rows = open_rows(source, about["sources"])
    done = 0
    with written(output, spreadsheet) as writer:
        for answers in scored(model, rows, source, params, warn, keep):
            writer.write(answers)
            done += len(answers)
            progress(done, rows.total)
    return done


def scored(
    model: "OpenModel",
    rows: "Rows",
    source: Path,
    params: Mapping[str, Any],
    warn: Callable[[str], None],
    keep: Sequence[str] | None,
) -> "Iterator[pd.DataFrame]":
    """The answers to all rows, some at a time, behind what is kept of them; see `predict`."""
    import pandas as pd

    from pipeline.data.tables.columns import some
    from pipeline.data.tables.kept import Kept

    kept = Kept.of(source, rows.file, rows.columns.pixels, keep)
    if keep is None and (lost := [name for name in rows.columns.others if name not in kept.names]):
        warn(f"{source}: {some(lost)} cannot be kept: {rows.file.unreadable[lost[0]] if rows.file else 'no column'}")
    for note in rows.notes:
        warn(note)
    done, parts = 0, kept.parts()
    for batch in rows.batches:
        answers = _answers(model, batch.frame, source, done, params)
        if twice := [name for name in kept.names if name in answers]:
            advice = "name what to keep, as in --keep id,day, or nothing, --keep ''"
            raise UserError(f"{source}: column {some(twice)} is called as a prediction is: {advice}")
        if batch.files is not None:
            answers.insert(0, "file", batch.files)
        done += len(answers)
        yield pd.concat([parts.take(len(answers)), answers], axis=1) if kept.names else answers
    if striking := rows.warning():
        warn(f"{source}: {striking}")


def shares(text: str, tasks: list[str]) -> list[float]:
    """A preference as it is written, in the order of the tasks.

    Raises:
        UserError: The network is given none, or it is no share of each task.
    """
    if not tasks:
        raise UserError(
            f"--preference {text}: the model's network is given none; balancing.method=cosmos trains one that is"
        )
    named = dict(word.split("=", 1) for word in text.split(",") if "=" in word)
    words = [named[task] for task in tasks] if set(named) == set(tasks) else text.split(",")
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if len(found) != len(tasks) or not 0.0 < sum(found) < float("inf") or min(found) < 0.0:
        example = ",".join(f"{task}={1 / len(tasks):.2g}" for task in tasks)
        raise UserError(
            f"--preference {text}: write a share of each task, none below 0 and not all 0, such as {example}"
        )
    return found


def _fields(source: Path, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the field with the text may be called; none where the model reads no text, or the input is none."""
    encodings = [it["encoding"] for it in sources.values() if it.get("encoding", {}).get("kind") == "text"]
    if not encodings:
        return []
    from pipeline.data.texts import holds_text_alone

    if len(encodings) < len(sources) and not holds_text_alone(source):
        return []
    return list(dict.fromkeys([*(it["field"] for it in encodings), "text"]))


def _answers(model: "OpenModel", frame: Any, source: Path, done: int, params: Mapping[str, Any]) -> Any:
    """The model's answers to the rows of a frame, of which so many came before."""
    try:
        return model.predict(frame, params)
    except ValueError as error:
        # A RowError of the model's own copy of the code.
        if (row := getattr(error, "row", None)) is None:
            raise
        raise UserError(f"{source}: row {done + row + 1}, {getattr(error, 'what', error)}") from None


def score_csv(model: "OpenModel", body: bytes) -> "pd.DataFrame":
    """The answers to a CSV file, as `predict` writes them, but nothing kept of it.

    Raises:
        UserError: It is no table that the model reads.
    """
    import pandas as pd

    from pipeline.serving.open_model import described

    with tempfile.TemporaryDirectory(prefix="headway-rows-") as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(body)
        try:
            rows = open_rows(path, described(model)["sources"])
            return pd.concat(scored(model, rows, path, {}, _silent, ()), ignore_index=True)
        except UserError as error:
            raise UserError(str(error).replace(f"{path}: ", "").replace(str(path), "the table")) from None


def open_rows(source: Path, sources: Mapping[str, Mapping[str, Any]]) -> "Rows":
    """Open whatever kind of input it is.

    Args:
        source: The file or folder.
        sources: `shape`, `scale`, of tables `encoding`, of images whether they are `resized`, of each source that the
            model knows.

    Raises:
        UserError: It is none that can be read.
    """
    import math

    if fields := _fields(source, sources):
        from pipeline.data.texts import open_text_rows

        return open_text_rows(source, fields)

    from pipeline.data.tables.images import open_images
    from pipeline.data.tables.records import open_pixels, open_records

    tables = [it["encoding"] for it in sources.values() if it.get("encoding", {}).get("kind") == "table"]
    images = [it for it in sources.values() if not it.get("encoding")]
    if tables and not (images and _of_pixels(source)):
        return open_records(source, tables)
    if source.is_dir() and not any(source.rglob("*.parquet")):
        return open_images(source, {name: it for name, it in sources.items() if it in images})
    return open_pixels(source, sorted({math.prod(it["shape"]) for it in images}))


def _of_pixels(source: Path) -> bool:
    """Whether an input for a model that reads both tables and images is one of images."""
    from pipeline.data.tables.typed import open_table

    if source.is_dir():
        return not any(source.rglob("*.parquet"))
    return any(name.startswith("pixel_") for name in open_table(source).types)
