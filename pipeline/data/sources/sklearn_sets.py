"""scikit-learn's bundled data sets, as tables of numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config.sources import SklearnSettings
from pipeline.data.encodings.columns import ColumnsEncoder
from pipeline.data.encodings.rows import NUMERIC
from pipeline.data.sources import idx
from pipeline.data.sources.base import Declared, Examples, Fingerprint, Part, Place, Report, Streamed, sklearn_data

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
        return Fingerprint({name: idx.checksum(sklearn_data() / name) for name in _FILES[self.settings.dataset]})

    def read(self, place: Place, report: Report) -> Examples:
        """Read all rows as a training part; there is no test part."""
        from sklearn import datasets

        options: dict[str, Any] = {"scaled": False} if self.settings.dataset == "diabetes" else {}
        loaded = getattr(datasets, f"load_{self.settings.dataset}")(as_frame=True, **options)
        rows = pa.RecordBatch.from_pandas(loaded.data.astype(float), preserve_index=False)
        kinds = dict.fromkeys(rows.schema.names, NUMERIC)
        labels, classes = _labels(loaded)
        file = sklearn_data() / _FILES[self.settings.dataset][0]
        encoder = ColumnsEncoder(self.name, file, kinds, 1, rows.num_rows, self.settings.clip)
        inputs = Streamed(rows.num_rows, lambda: (rows.slice(it, _ROWS) for it in range(0, rows.num_rows, _ROWS)))
        return Examples(Part(inputs, labels), None, classes, encoder=encoder)


def _labels(loaded: Any) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Labels by name, and the names of their classes."""
    target = loaded.target
    if target.ndim == 2:  # several numbers a row
        return {str(name): target[name].to_numpy(float) for name in target}, {str(name): [] for name in target}
    if "target_names" not in loaded:
        return {"target": target.to_numpy(float)}, {"target": []}
    return {"target": target.to_numpy(np.int64)}, {"target": [str(name) for name in loaded.target_names]}
