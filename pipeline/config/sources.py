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
        categories: Most values of a categorical column that are told apart, the most frequent ones.
    """

    kind: Literal["table"]
    path: str
    inputs: dict[str, ColumnKind] = Field(min_length=1)
    labels: dict[str, Columns] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)
    categories: int = Field(default=1000, ge=1)


class GivenSplits(Settings):
    """Splits that are files of their own; one that is not given is cut from train.

    Attributes:
        path: Of the file, from `data.root` where that is given, else from the project folder.
        validation: Path of the validation rows.
        test: Path of the test rows.
    """

    path: str
    validation: str | None = None
    test: str | None = None

    def paths(self) -> dict[str, str]:
        """Those of all splits that are given, by split."""
        return _there({"train": self.path, "validation": self.validation, "test": self.test})


class TextSettings(GivenSplits, SplitBy):
    """Texts with labels: one object a line (`.jsonl`), a table (`.csv`, `.tsv`, `.parquet`), or plain lines (`.txt`).

    Attributes:
        kind: `text`.
        text: The field or column that holds the text.
        labels: Names for groups of 0/1 fields that a multilabel task predicts at once. A field by itself is a label of
            its own name, and need not be listed; where it is missing or null, the label is unknown.
        separator: Between the fields of a CSV file.
        labels_file: Of plain lines, a file with the label of each on the same line; an empty line is an unknown label.
        validation_labels_file: The same for `validation`.
        test_labels_file: The same for `test`.
        classes_file: What the labels in these files stand for, such as `0<tab>negative`, one a line.
    """

    kind: Literal["text"]
    text: str = "text"
    labels: dict[str, Columns] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)
    labels_file: str | None = None
    validation_labels_file: str | None = None
    test_labels_file: str | None = None
    classes_file: str | None = None

    @model_validator(mode="after")
    def _lines(self) -> "TextSettings":
        beside = self.labels_files()
        if self.labels_file is None and (beside or self.classes_file):
            raise ValueError("labels_file is missing: the labels of the lines in path")
        if self.labels_file and (self.by or self.labels):
            raise ValueError("group, time, split and labels are fields; plain lines with a labels_file have none")
        if self.labels_file and (apart := set(beside) ^ set(self.paths())):
            split = min(apart)
            raise ValueError(f"{split} and {split}_labels_file belong together; one of them is missing")
        if self.by and len(self.paths()) > 1:
            raise ValueError("rows are split by files (validation, test) or by a column (group, time, split), not both")
        return self

    def labels_files(self) -> dict[str, str]:
        """Paths of the files of labels, by split."""
        validation, test = self.validation_labels_file, self.test_labels_file
        return _there({"train": self.labels_file, "validation": validation, "test": test})


class TokensSettings(GivenSplits):
    """Sentences whose tokens carry BIO tags, in the CoNLL layout: a token a line, an empty line after each sentence.

    Columns are parted by tabs where the first line has one, else by spaces; the first one is the token. Lines that
    begin with `-DOCSTART-`, and those before a sentence that begin with `# `, are left out. The label is called `tags`.

    Attributes:
        kind: `tokens`.
        column: Which column holds the tags, from 0; -1 is the last one. `_` stands for an unknown tag.
        repair: Read an `I-` tag with no entity of its type before it as the beginning of one; else it is an error.
    """

    kind: Literal["tokens"]
    column: int = -1
    repair: bool = False


def _there(paths: dict[str, str | None]) -> dict[str, str]:
    return {split: path for split, path in paths.items() if path}


PATHS = (
    "path", "validation", "test", "labels_file", "validation_labels_file", "test_labels_file", "classes_file"
)  # fmt: skip
"""The settings of sources that say where files are, whose content counts and not their names."""

SourceSettings = Annotated[TableSettings | TextSettings | TokensSettings, Field(discriminator="kind")]
"""Any source that an experiment may declare."""
