"""Several labels that stand in one column, such as `mass|nodule`."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config.sources import Separated
from pipeline.data.sources.labels import Growing, LabelReader
from pipeline.data.tables.typed import place_of
from pipeline.errors import UserError

_MOST_LABELS = 1000


class SeparatedReader(LabelReader):
    """Gathers the words of every row; each different one is a label.

    Args:
        label: Its name.
        settings: Where the words stand, and how they are parted.
    """

    type = pa.string()

    def __init__(self, label: str, settings: Separated) -> None:
        super().__init__(label, [settings.column])
        self._settings = settings
        self._codes: dict[str, int] = {}
        self._rows, self._found = Growing(np.int64), Growing(np.int32)
        self._unknown = Growing(np.int64)
        self._done = 0

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """See `LabelReader`."""
        for row, text in enumerate(batch.column(self.columns[0]).to_pylist()):
            words = self._words(text)
            if words is None:
                self._unknown.take(np.array([done + row]))
                continue
            if "" in words:
                raise UserError(
                    f"{place_of(path, done, row, self.columns[0])}: '{text}' has an empty label "
                    f"before or after '{self._settings.separator}'"
                )
            codes = [self._codes.setdefault(word, len(self._codes)) for word in words]
            self._rows.take(np.full(len(codes), done + row))
            self._found.take(np.array(codes, np.int32))
        self._done = done + batch.num_rows
        if len(self._codes) > _MOST_LABELS:
            raise UserError(
                f"{path}: column '{self.columns[0]}' has more than {_MOST_LABELS:,} labels: "
                f"are they parted by '{self._settings.separator}'?"
            )

    def _words(self, text: str | None) -> list[str] | None:
        """A row's labels; None where they are unknown."""
        text, none = (text or "").strip(), self._settings.none
        if text == none:
            return []
        return [word.strip() for word in text.split(self._settings.separator)] if text else None

    def labels(self) -> np.ndarray:
        """float32 [N, L]."""
        place = np.array([self.classes.index(word) for word in self._codes], np.int64)
        values = np.zeros((self._done, len(place)), np.float32)
        if len(place):
            values[self._rows.array(), place[self._found.array()]] = 1.0
        values[self._unknown.array()] = np.nan
        return values

    @property
    def classes(self) -> list[str]:
        """The words, by their letters."""
        return sorted(self._codes)
