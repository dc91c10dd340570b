"""The kinds of sources that an experiment can declare, each with its own settings."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from pipeline.config.base import Settings, as_tuple
from pipeline.config.clipping import Clipped
from pipeline.config.facts import RESOLVED
from pipeline.config.limits import PIXELS, ROWS
from pipeline.config.own import OwnPath
from pipeline.config.parts import Part
from pipeline.config.tasks import named

ColumnKind = Literal["numeric", "categorical", "date", "text", "auto"]


Columns = Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
SourceName = Annotated[str, AfterValidator(lambda name: named("source", name))]


class SplitBy(Settings):
    """The column by which a source's rows are split; at most one, and none for a random split.

    Attributes:
        group: Column whose equal values are in the same split, for example patients or users.
        time: Column of dates or numbers: the latest rows become the test split, the latest of the others validation.
        split: Column with the name of the split: `train`, `validation` (or `val`, `valid`, `dev`) or `test`. Splits
            that do not occur are taken from train.
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
        """Name of the column, or None."""
        return self.group or self.time or self.split


class SourceSettings(Part):
    """The settings of a source that an experiment declares.

    Attributes:
        kind: The kind of source.
    """

    part = "kind of source"

    kind: str


class TableSettings(SplitBy, Clipped, SourceSettings):
    """Rows of a CSV, JSON lines or Parquet file, or of a folder of Parquet files (partitioned as `key=value/` or not).

    Attributes:
        kind: `table`.
        path: Path of the file or folder, relative to `data.root` if given, else to the project folder.
        inputs: The input columns and their types; a name may be a pattern with `*` and `?`, which matches columns that
            are no label, split column or excluded. `numeric`: clipped and standardised; missing values become the mean,
            with an indicator column. `categorical`: each value has a trained embedding; missing values and values not
            seen in training share one. `date`: ISO 8601, in UTC if it has a zone, as year, month, weekday, hour, day of
            the year and time, numeric each, without those that are constant in training. `text`: signed hashes of its
            words (Weinberger et al. 2009). `auto`: the type that `headway init` would infer, without identifiers,
            splits and constant columns. The default is all columns, `auto`.
        exclude: Columns that patterns do not match, by name or pattern.
        labels: Names for groups of 0/1 columns that one multilabel task predicts. A single column is a label of its own
            name, and need not be listed.
        separator: Field separator of a CSV file.
        missing: Words that mark missing values, as empty and null values do; in CSV files where they are not quoted,
            and beside NA, NaN, null and the like. `[]` is for CSV files in which these are values. A number, such as
            -999, does so however it is written.
        decimal: Mark before the fraction of numbers that are written as text, such as `","` of 0,5.
        thousands: Mark between groups of their digits, such as `","` of 1,234.5; empty for none.
        categories: Maximum number of values of a categorical column, the most frequent ones.
    """

    implementation = "pipeline.data.sources.table:Table"

    kind: Literal["table"]
    path: Annotated[str, RESOLVED]
    inputs: dict[Annotated[str, Field(min_length=1)], ColumnKind] = Field(default={"*": "auto"}, min_length=1)
    exclude: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    labels: dict[str, Columns] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)
    missing: Annotated[tuple[str, ...] | None, BeforeValidator(as_tuple)] = None
    decimal: str = Field(default=".", pattern=r"^[^\w+-]$")
    thousands: str = Field(default="", pattern=r"^[^\w+-]?$")
    categories: Annotated[int, ROWS] = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _marks_differ(self) -> "TableSettings":
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both '{self.decimal}': which is it?")
        return self

    @model_validator(mode="after")
    def _sees_no_split(self) -> "TableSettings":
        if self.split in self.inputs:
            raise ValueError(
                f"inputs: column '{self.split}' says which split a row is in, another word in each: leave it out"
            )
        return self


class Separated(Settings):
    """Several labels in one column, such as `mass|nodule`: each distinct word is a label.

    Attributes:
        column: Name of the column. If it is empty, all labels of the row are unknown.
        separator: Separator between labels.
        none: Value of a row without any label, such as `No Finding`; `""` for an empty field.
    """

    column: str
    separator: str = Field(default="|", min_length=1)
    none: str | None = None

    @classmethod
    def _as_declared(cls, key: str, value: object) -> object:
        return value  # `none` is an ordinary word here


def _form_of(labels: object) -> str:
    return "[columns]" if isinstance(labels, list | tuple) else "[words]"  # brackets keep a tag out of messages


Several = Annotated[
    Annotated[Columns, Tag("[columns]")] | Annotated[Separated, Tag("[words]")], Discriminator(_form_of)
]
_Pixels = Annotated[PositiveInt, PIXELS]
Size = Annotated[tuple[_Pixels, _Pixels], BeforeValidator(as_tuple)]


class ImagesSettings(SplitBy, SourceSettings):
    """A folder of images with a file of labels; without one, one folder per class, and one label named `class`.

    Attributes:
        kind: `images`.
        path: Path of the folder, relative to `data.root` if given, else to the project folder; read recursively, links
            too.
        labels_file: A table (CSV or Parquet) with one row per image, relative to the same folder or to `path`.
        id: Column of the table with the image's path in the folder, its file name, or its file name without suffix.
        size: Height and width to which every image is resized (antialiased, ignoring the aspect ratio); null if all
            images have the same size.
        channels: `rgb`, three values per pixel, or `grey`, one.
        labels: Names for what one multilabel task predicts: 0/1 columns, or one column of several words. A single
            column is a label of its own name, and need not be listed.
        separator: Field separator of a CSV file of labels.
    """

    implementation = "pipeline.data.sources.images:Images"

    kind: Literal["images"]
    path: Annotated[str, RESOLVED]
    labels_file: Annotated[str | None, RESOLVED] = None
    id: str | None = None
    size: Size | None = None
    channels: Literal["grey", "rgb"] = "rgb"
    labels: dict[str, Several] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "ImagesSettings":
        if self.labels_file and not self.id:
            raise ValueError("id is missing: the column of labels_file that says which image a row is about")
        if not self.labels_file and (self.id or self.labels or self.by):
            raise ValueError("id, labels, group, time and split are columns of labels_file, which is missing")
        return self


class MedMnistSettings(SourceSettings):
    """An npz file in MedMNIST's layout, with its own train, validation and test rows.

    If rows have one label, it is called `class`; if they have several, these are called `findings`, and `any` is
    whether a row has at least one of them.

    Attributes:
        kind: `medmnist`.
        path: Path of the file, relative to `data.root` if given, else to the project folder.
        name: Name of one of MedMNIST's sets, such as `chestmnist`, to download instead; needs `headway[medmnist]`.
        classes: Names of the classes or findings in order; null for MedMNIST's names, or for numbers.
    """

    implementation = "pipeline.data.sources.medmnist:MedMnist"

    kind: Literal["medmnist"]
    path: Annotated[str | None, RESOLVED] = None
    name: str | None = None
    classes: Columns | None = None

    @model_validator(mode="after")
    def _one(self) -> "MedMnistSettings":
        if (self.path is None) == (self.name is None):
            raise ValueError("give either path, of a file, or name, of a set to download")
        return self


class TorchvisionSettings(SourceSettings):
    """One of torchvision's classification data sets, with its own train and test splits if it has them.

    Its label is called `class`; CelebA's forty 0/1 labels are called `attributes`.

    Attributes:
        kind: `torchvision`.
        dataset: Name of the class in `torchvision.datasets`.
        path: Folder of the data set, as torchvision's `root`; null downloads it.
        size: Height and width to which every image is resized; null if all images have the same size.
    """

    implementation = "pipeline.data.sources.torchvision_sets:TorchvisionSet"

    kind: Literal["torchvision"]
    dataset: str
    path: Annotated[str | None, RESOLVED] = None
    size: Size | None = None


class SklearnSettings(Clipped, SourceSettings):
    """One of scikit-learn's bundled data sets, with inputs standardised by the training rows.

    Its label is called `target`; linnerud's three are called by their names.
    """

    implementation = "pipeline.data.sources.sklearn_sets:SklearnSet"

    kind: Literal["sklearn"]
    dataset: Literal["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"]


class GivenSplits(Settings):
    """Splits in separate files; one that is not given is taken from train.

    Attributes:
        path: Path of the file, relative to `data.root` if given, else to the project folder.
        validation: Path of the file of validation rows.
        test: Path of the file of test rows.
    """

    path: Annotated[str, RESOLVED]
    validation: Annotated[str | None, RESOLVED] = None
    test: Annotated[str | None, RESOLVED] = None

    def paths(self) -> dict[str, str]:
        """Paths of the given files, by split."""
        return _given({"train": self.path, "validation": self.validation, "test": self.test})


class TextSettings(GivenSplits, SplitBy, SourceSettings):
    """Texts with labels: JSON (`.jsonl`, `.json`), a table (`.csv`, `.tsv`, `.parquet`), or plain lines (`.txt`).

    Attributes:
        kind: `text`.
        text: Field or column with the text.
        labels: Names for what one multilabel task predicts: 0/1 fields, or one field of several words. A single field
            is a label of its own name, and need not be listed; it is unknown if it is missing or null.
        separator: Field separator of a CSV file.
        labels_file: For plain lines, a file with the labels, one per line; an empty line is an unknown label.
        validation_labels_file: The file of labels of `validation`.
        test_labels_file: The file of labels of `test`.
        classes_file: Names of the labels in these files, one per line, such as `0<tab>negative`.
    """

    implementation = "pipeline.data.sources.text:Text"

    kind: Literal["text"]
    text: str = "text"
    labels: dict[str, Several] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)
    labels_file: Annotated[str | None, RESOLVED] = None
    validation_labels_file: Annotated[str | None, RESOLVED] = None
    test_labels_file: Annotated[str | None, RESOLVED] = None
    classes_file: Annotated[str | None, RESOLVED] = None

    @model_validator(mode="after")
    def _lines(self) -> "TextSettings":
        labels_files = self.labels_files()
        if self.labels_file is None and (labels_files or self.classes_file):
            raise ValueError("labels_file is missing: the labels of the lines in path")
        if self.labels_file and (self.by or self.labels):
            raise ValueError("group, time, split and labels are fields; plain lines with a labels_file have none")
        if self.labels_file and (unpaired := set(labels_files) ^ set(self.paths())):
            split = min(unpaired)
            raise ValueError(f"{split} and {split}_labels_file belong together; one of them is missing")
        if self.by and len(self.paths()) > 1:
            raise ValueError("rows are split by files (validation, test) or by a column (group, time, split), not both")
        return self

    def labels_files(self) -> dict[str, str]:
        """Paths of the given files of labels, by split."""
        validation, test = self.validation_labels_file, self.test_labels_file
        return _given({"train": self.labels_file, "validation": validation, "test": test})


class TokensSettings(GivenSplits, SourceSettings):
    """Sentences with a BIO tag per token, in CoNLL format: one token per line, an empty line after each sentence.

    Columns are separated by tabs if the first line has one, else by spaces; the first column is the token. Lines that
    start with `-DOCSTART-`, and lines before a sentence that start with `# ` and have no tag, are skipped. The label is
    called `tags`.

    Attributes:
        kind: `tokens`.
        column: Column of the tags, from 0; -1 is the last one. `_` is an unknown tag.
        repair: Read an `I-` tag that does not continue an entity of its type as `B-`; else it is an error.
    """

    implementation = "pipeline.data.sources.tokens:Tokens"

    kind: Literal["tokens"]
    column: int = Field(default=-1, ge=-1024, le=1024)
    repair: bool = False


def _given(paths: dict[str, str | None]) -> dict[str, str]:
    return {split: path for split, path in paths.items() if path}


class OwnSettings(SourceSettings):
    """A user's own source, see `pipeline.data.sources.own`.

    Attributes:
        kind: The source's class, as `package.module:Class`.
        path: Path of its files, if any, passed to the class as `path`. Keys depend on the files' content, by the
            fingerprint, and not on their path.
        arguments: Further keyword arguments of the class.
    """

    implementation = "pipeline.data.sources.own:Own"

    kind: OwnPath
    path: Annotated[str | None, RESOLVED] = None
    arguments: dict[str, Any] = Field(default_factory=dict)


SourceSettings.own = OwnSettings
