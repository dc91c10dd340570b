"""Texts of one's own with labels: JSON lines, tables, or plain lines with a file of labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config.sources import TextSettings
from pipeline.data.encodings.words import tokens_of
from pipeline.data.sources.base import SPLITS, Declared, Examples, Fingerprint, Part, Place, Report, Streamed
from pipeline.data.sources.reading import Labelled
from pipeline.data.sources.tokens import checksums
from pipeline.data.tables.lines import JSON, JsonLines, Lines, ends_with, names_in
from pipeline.data.tables.typed import TableFile, open_table
from pipeline.errors import UserError


@dataclass(frozen=True)
class Text(Declared):
    """A declared source of texts."""

    settings: TextSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """The sha256 of every file, by what it is."""
        classes = {"classes": self.settings.classes_file} if self.settings.classes_file else {}
        beside = {f"{split} labels": path for split, path in self.settings.labels_files().items()}
        return Fingerprint(checksums(place, self.settings.paths() | beside | classes))

    def read(self, place: Place, report: Report) -> Examples:
        """Read labels, and what rows are split by; texts are a stream."""
        files = {split: self._open(place, split, path) for split, path in self.settings.paths().items()}
        found, text = Labelled(self, files["train"]), self.settings.text
        if both := [it.label for it in found.readers.values() if text in it.columns]:
            raise UserError(
                f"sources.{self.name}.text: '{both[0]}' is what a task predicts: name the field of the text"
            )
        rows = {split: found.take(it, text, partial(check_texts, it.path, text)) for split, it in files.items()}
        train = [split for split in ("train", "validation") if split in files]
        own = np.concatenate([np.full(rows[split], SPLITS.index(split), np.int8) for split in train])
        known = {"split": own} if len(train) > 1 else found.split_by.found()
        given = np.concatenate([known.get("split", own), np.full(rows.get("test", 0), SPLITS.index("test"))])
        labels = found.labels(given != SPLITS.index("test"))
        first, test = ({name: it[where] for name, it in labels.items()} for where in np.s_[: len(own), len(own) :])
        part = Part(self._stream(files, train, rows), first, **known)
        held = Part(self._stream(files, ["test"], rows), test) if "test" in files else None
        reading = {"parted": self.encoder.parted, "field": text}
        return Examples(part, held, found.classes, encoder=self.encoder, reading=reading, worded=found.worded)

    def _stream(self, files: Mapping[str, TableFile], splits: Sequence[str], rows: Mapping[str, int]) -> Streamed:
        """The tokens of the texts of some splits, one file after the other."""
        chunks = partial(self._tokens, [files[split] for split in splits])
        return Streamed(sum(rows[split] for split in splits), chunks)

    def _tokens(self, files: Sequence[TableFile]) -> Iterator[list[list[str]]]:
        for file in files:
            for batch in file.batches({self.settings.text: pa.string()}):
                yield [tokens_of(text, self.encoder.parted) for text in batch.column(0).to_pylist()]

    def _open(self, place: Place, split: str, path: str) -> TableFile:
        settings = self.settings
        labels = settings.labels_files().get(split)
        names = names_in(place.of(settings.classes_file)) if settings.classes_file else {}
        return open_texts(
            place.of(path), settings.text, settings.separator, place.of(labels) if labels else None, names
        )


def open_texts(
    path: Path, text: str, separator: str = ",", labels: Path | None = None, names: Mapping[str, str] | None = None
) -> TableFile:
    """Open a file of texts by its ending.

    Args:
        path: Of the file.
        text: The field or column that holds the text.
        separator: Between the fields of a CSV file.
        labels: Of plain lines, the file of their labels.
        names: What these labels stand for.

    Raises:
        UserError: There is no such file, or it is of none of the kinds that hold texts.
    """
    if ends_with(path, *JSON):
        return JsonLines(path, text)
    if labels or ends_with(path, ".txt"):
        return Lines(path, text, labels, names or {})
    if ends_with(path, ".csv", ".tsv", ".parquet") or path.is_dir():
        return open_table(path, separator, text=text)
    raise UserError(f"{path}: texts are read from .jsonl, .json, .csv, .tsv, .parquet or .txt files")


def check_texts(path: Path, text: str, done: int, batch: pa.RecordBatch) -> None:
    """Every row must have its text.

    Raises:
        UserError: One has none.
    """
    column = batch.column(text)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise UserError(f"{path}: row {done + row + 1}, field '{text}': missing; every row needs its text")
