"""Predict: a model scores every row of a file, or every image of a folder, in bounded memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.data.tables.rows import Rows

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
) -> int:
    """Score all rows, in their order.

    Args:
        model_uri: Of a model of Headway's, in MLflow's current store.
        source: A `.csv`, `.csv.gz` or `.parquet` file with the columns `pixel_0` ..., or a folder of images; for a
            model that reads text, a file that `pipeline.data.texts` reads.
        output: A `.csv` or `.parquet` file to write; for a folder its first column is `file`.
        progress: Told after each batch.
        warn: Told once of columns that are ignored.

    Returns:
        The number of rows.

    Raises:
        UserError: The model, the input or the output is not what it should be.
        Failure: The store does not answer, or the output cannot be written.
    """
    import pandas as pd

    from pipeline.data.tables.writer import check_output, written
    from pipeline.tracking.open_model import described, open_model

    if not source.exists():
        raise UserError(f"input {source}: no such file or folder")
    check_output(output, source)
    model = open_model(model_uri)
    # The model itself: rows are checked already, and MLflow's own check takes longer than a small batch's answer.
    network = model.unwrap_python_model()
    sources = described(model)["sources"]
    if fields := _fields(source, sources):
        return _predict_texts(network, source, fields, output, progress)
    rows = open_rows(source, sources)
    if ignored := rows.columns.ignored:
        more = " ..." if len(ignored) > _SHOWN else ""
        warn(f"{source}: {len(ignored)} columns that are no pixels are ignored: {', '.join(ignored[:_SHOWN])}{more}")
    done = 0
    with written(output) as writer:
        for batch in rows.batches:
            answers: Any = network.predict(None, pd.DataFrame(batch.pixels, columns=rows.columns.pixels, copy=False))
            if batch.files is not None:
                answers.insert(0, "file", batch.files)
            writer.write(answers)
            done += len(answers)
            progress(done, rows.total)
    return done


def _fields(source: Path, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the field with the text may be called; none where the model reads no text, or the input is images."""
    encodings = [it["encoding"] for it in sources.values() if it.get("encoding", {}).get("kind") == "text"]
    if not encodings or (source.is_dir() and len(encodings) < len(sources)):
        return []
    return list(dict.fromkeys([*(it["field"] for it in encodings), "text"]))


def _predict_texts(network: Any, source: Path, fields: list[str], output: Path, progress: Progress) -> int:
    import pandas as pd

    from pipeline.data.tables.writer import written
    from pipeline.data.texts import texts

    done = 0
    with written(output) as writer:
        for chunk in texts(source, fields):
            writer.write(network.predict(None, pd.DataFrame({"text": pd.Series(chunk, dtype=object)})))
            done += len(chunk)
            progress(done, None)
    return done


def open_rows(source: Path, sources: Mapping[str, Mapping[str, Any]]) -> "Rows":
    """Open whatever kind of input it is.

    Args:
        source: The file or folder.
        sources: `shape`, `scale` and whether it is `resized` of each source that the model knows.

    Raises:
        UserError: It is none that can be read.
    """
    import math

    from pipeline.data.tables.csv import open_csv
    from pipeline.data.tables.images import open_images
    from pipeline.data.tables.parquet import open_parquet

    if source.is_dir():
        return open_images(source, sources)
    sizes = sorted({math.prod(it["shape"]) for it in sources.values()})
    if source.suffix == ".parquet":
        return open_parquet(source, sizes)
    if source.name.endswith((".csv", ".csv.gz")):
        return open_csv(source, sizes)
    raise UserError(f"input {source}: give a .csv, .csv.gz or .parquet file, or a folder of images")
