"""Predict: a model scores every row of a file, or every image of a folder, in bounded memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.data.tables.rows import Rows
    from pipeline.data.tables.writer import TableWriter

Progress = Callable[[int, int | None], None]
"""Takes the number of rows done, and of all rows where it is known."""

_SHOWN = 3


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
) -> int:
    """Score all rows, in their order.

    Args:
        model_uri: Of a model of Headway's, in MLflow's current store.
        source: A table with the columns that the model reads (`pixel_0` ... of images), see
            `pipeline.data.tables.typed.open_table`, or a folder of images, also in folders of it; for a model that
            reads text, a file that `pipeline.data.texts` reads.
        output: A `.csv` or `.parquet` file to write; for a folder its first column is `file`, a path within it.
        progress: Told after each batch.
        warn: Told once of columns that are ignored, once of values that the model does not know, and once of classes
            that a spreadsheet program would run as formulas.
        preference: Of a network that is given one: a share of each task, such as `0.8,0.2` in the order of the tasks or
            `left=0.8,right=0.2`. By default the one that the network was trained to be asked for.
        spreadsheet: Whether the output is for a spreadsheet program: a text that one would run as a formula begins with
            `'`. By default it is what programs read, with every class as it was in the training data.

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
    params = {"preference": _shares(preference, about.get("preference", {}).get("tasks", []))} if preference else {}
    # The model itself: rows are checked already, and MLflow's own check takes longer than a small batch's answer.
    network = model.unwrap_python_model()
    if fields := _fields(source, about["sources"]):
        with written(output, spreadsheet) as writer:
            return _predict_texts(network, about["tasks"], source, fields, writer, progress)
    rows = open_rows(source, about["sources"])
    if ignored := rows.columns.ignored:
        more = " ..." if len(ignored) > _SHOWN else ""
        shown = f"{', '.join(ignored[:_SHOWN])}{more}"
        warn(f"{source}: {len(ignored)} columns that the model does not read are ignored: {shown}")
    for note in rows.notes:
        warn(note)
    done = 0
    with written(output, spreadsheet) as writer:
        for batch in rows.batches:
            answers = with_names(_answers(network, batch.frame, source, done, params), about["tasks"])
            if batch.files is not None:
                answers.insert(0, "file", batch.files)
            writer.write(answers)
            done += len(answers)
            progress(done, rows.total)
    if striking := rows.warning():
        warn(f"{source}: {striking}")
    return done


def _shares(text: str, tasks: list[str]) -> list[float]:
    """A preference as it is written, in the order of the tasks."""
    if not tasks:
        raise UserError(
            f"--preference {text}: the model's network is given none; balancing.method=cosmos trains one that is"
        )
    named = dict(word.split("=", 1) for word in text.split(",") if "=" in word)
    words = [named[task] for task in tasks] if set(named) == set(tasks) else text.split(",")
    try:
        shares = [float(word) for word in words]
    except ValueError:
        shares = []
    if len(shares) != len(tasks) or not 0.0 < sum(shares) < float("inf") or min(shares) < 0.0:
        example = ",".join(f"{task}={1 / len(tasks):.2g}" for task in tasks)
        raise UserError(
            f"--preference {text}: write a share of each task, none below 0 and not all 0, such as {example}"
        )
    return shares


def _fields(source: Path, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the field with the text may be called; none where the model reads no text, or the input is none."""
    encodings = [it["encoding"] for it in sources.values() if it.get("encoding", {}).get("kind") == "text"]
    if not encodings:
        return []
    from pipeline.data.texts import holds_text_alone

    if len(encodings) < len(sources) and not holds_text_alone(source):
        return []
    return list(dict.fromkeys([*(it["field"] for it in encodings), "text"]))


def _predict_texts(
    network: Any, tasks: Mapping[str, Any], source: Path, fields: list[str], writer: "TableWriter", progress: Progress
) -> int:
    import pandas as pd

    from pipeline.data.texts import texts

    done = 0
    for chunk in texts(source, fields):
        answers = _answers(network, pd.DataFrame({"text": pd.Series(chunk, dtype=object)}), source, done)
        writer.write(with_names(answers, tasks))
        done += len(chunk)
        progress(done, None)
    return done


def _answers(network: Any, frame: Any, source: Path, done: int, params: Mapping[str, Any] | None = None) -> Any:
    """The model's answers to the rows of a frame, of which so many came before."""
    try:
        return network.predict(None, frame, params)
    except ValueError as error:
        # A RowError of the model's own copy of the code.
        if (row := getattr(error, "row", None)) is None:
            raise
        raise UserError(f"{source}: row {done + row + 1}, {getattr(error, 'what', error)}") from None


def with_names(answers: Any, tasks: Mapping[str, Mapping[str, Any]]) -> Any:
    """The answers with the name of each predicted class, `<task>/class`, behind its number."""
    for task, about in tasks.items():
        if (label := f"{task}/label") in answers:
            names = [about["classes"][place] for place in answers[label]]
            answers.insert(answers.columns.get_loc(label) + 1, f"{task}/class", names)
    return answers


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
