"""scikit-learn's bundled data sets, as tables of numbers."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config.sources import SklearnSettings
from pipeline.data.encodings.columns import ColumnsEncoder
from pipeline.data.encodings.rows import NUMERIC
from pipeline.data.sources import idx
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Part, Place, Report
from pipeline.errors import Failure

_FILES = {
    "iris": ["iris.csv"],
    "wine": ["wine_data.csv"],
    "breast_cancer": ["breast_cancer.csv"],
    "digits": ["digits.csv.gz"],
    "diabetes": ["diabetes_data_raw.csv.gz", "diabetes_target.csv.gz"],
    "linnerud": ["linnerud_exercise.csv", "linnerud_physiological.csv"],
}
_ROWS = 4096


@dataclass(frozen=True)
class SklearnSet(Declared):
    """One of them."""

    settings: SklearnSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """The checksums of the files that scikit-learn brings."""
        return Fingerprint({name: idx.checksum(_folder() / name) for name in _FILES[self.settings.dataset]})

    def read(self, place: Place, report: Report) -> Examples:
        """Read all rows as a training part; there is no test part."""
        from sklearn import datasets

        options: dict[str, Any] = {"scaled": False} if self.settings.dataset == "diabetes" else {}
        loaded = getattr(datasets, f"load_{self.settings.dataset}")(as_frame=True, **options)
        rows = pa.RecordBatch.from_pandas(loaded.data.astype(float), preserve_index=False)
        inputs = dict.fromkeys(rows.schema.names, NUMERIC)
        labels, classes = _labels(loaded)
        file = _folder() / _FILES[self.settings.dataset][0]
        encoder = ColumnsEncoder(self.name, file, inputs, 1, rows.num_rows, self.settings.clip)
        return Examples(Part(Batches(rows), labels), None, classes, encoder=encoder)


@dataclass(frozen=True)
class Batches:
    """A table in memory, as a stream.

    Attributes:
        rows: All of it.
    """

    rows: pa.RecordBatch

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Some rows at a time."""
        for start in range(0, len(self), _ROWS):
            yield self.rows.slice(start, _ROWS)


def _labels(loaded: Any) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Labels by name, and the names of their classes."""
    target = loaded.target
    if target.ndim == 2:  # several numbers a row
        return {str(name): target[name].to_numpy(float) for name in target}, {str(name): [] for name in target}
    if "target_names" not in loaded:
        return {"target": target.to_numpy(float)}, {"target": []}
    return {"target": target.to_numpy(np.int64)}, {"target": [str(name) for name in loaded.target_names]}


def _folder() -> Path:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise Failure("scikit-learn is not installed: run make install")
    return Path(spec.origin).parent / "datasets" / "data"
