"""What an experiment may say about the sources that it declares itself."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.config.base import Settings
from pipeline.config.tasks import named

ColumnKind = Literal["numeric", "categorical"]


def _listed(columns: object) -> object:
    return tuple(columns) if isinstance(columns, list) else columns


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
SourceName = Annotated[str, AfterValidator(lambda name: named("source", name))]


class SplitBy(Settings):
    """By which column a source's rows are split, where not at random; one of them at most.

    Attributes:
        group: Rows with the same value are in the same split: no patient or user is in two.
        time: The latest rows become the test split, the latest of the others validation. Dates, or numbers.
        split: Its values say it: `train`, `validation` (or `val`, `valid`, `dev`) or `test`. What it does not name is
            cut from train.
    """

    group: str | None = None
    time: str | None = None
    split: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "SplitBy":
        given = [name for name in ("group", "time", "split") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"rows are split by one column, found {' and '.join(given)}: keep one of them")
        return self

    @property
    def by(self) -> str | None:
        """The column, if any."""
        return self.group or self.time or self.split


class TableSettings(SplitBy):
    """Rows of a CSV file, a Parquet file, or a folder of Parquet files (partitioned as `key=value/` or not).

    Attributes:
        kind: `table`.
        path: Of the file or folder, from `data.root` where that is given, else from the project folder.
        inputs: The columns that the network sees, and how. `numeric`: standardised; where training rows lack values,
            these become the mean, and a column of its own says so. `categorical`: each value has a trained embedding;
            missing values and those that training never showed share one.
        labels: Names for groups of 0/1 columns that a multilabel task predicts at once. A column by itself is a label
            of its own name, and need not be listed.
        separator: Between the fields of a CSV file.
        missing: What a field of a CSV file says where a value is missing, beside nothing, NA, NaN, null and the like.
        categories: Most values of a categorical column that are told apart, the most frequent ones.
    """

    kind: Literal["table"]
    path: str
    inputs: dict[str, ColumnKind] = Field(min_length=1)
    labels: dict[str, Columns] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)
    missing: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    categories: int = Field(default=1000, ge=1)


SourceSettings = TableSettings
"""Any source that an experiment may declare."""
