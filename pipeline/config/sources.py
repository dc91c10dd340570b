"""What an experiment may say about the sources that it declares itself."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from pipeline.config.base import Settings
from pipeline.config.clipping import Clipped
from pipeline.config.facts import RESOLVED
from pipeline.config.own import OwnPath
from pipeline.config.parts import Part
from pipeline.config.tasks import named

ColumnKind = Literal["numeric", "categorical", "auto"]


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


class SourceSettings(Part):
    """A source that an experiment declares.

    Attributes:
        kind: Of source.
    """

    part = "kind of source"

    kind: str


class TableSettings(SourceSettings, SplitBy, Clipped):
    """Rows of a CSV file, a Parquet file, or a folder of Parquet files (partitioned as `key=value/` or not).

    Attributes:
        kind: `table`.
        path: Of the file or folder, from `data.root` where that is given, else from the project folder.
        inputs: The columns that the network sees, and how; a name may be a pattern with `*` and `?`, which then stands
            for what no label, split or `exclude` takes. `numeric`: clipped, and standardised; where training rows lack
            values, these become the mean, and a column of its own says so. `categorical`: each value has a trained
            embedding; missing values and those that training never showed share one. `auto`: as `headway init` would
            choose by the first rows, without identifiers, times and columns of one value. Left out it is all, `auto`.
        exclude: Columns that a pattern leaves out, by name or pattern.
        labels: Names for groups of 0/1 columns that a multilabel task predicts at once. A column by itself is a label
            of its own name, and need not be listed.
        separator: Between the fields of a CSV file.
        missing: What a field of a CSV file says where a value is missing, beside nothing, NA, NaN, null and the like.
        categories: Most values of a categorical column that are told apart, the most frequent ones.
    """

    implementation = "pipeline.data.sources.table:Table"

    kind: Literal["table"]
    path: Annotated[str, RESOLVED]
    inputs: dict[str, ColumnKind] = Field(default={"*": "auto"}, min_length=1)
    exclude: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    labels: dict[str, Columns] = Field(default={})
    separator: str = Field(default=",", min_length=1, max_length=1)
    missing: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    categories: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _sees_no_split(self) -> "TableSettings":
        if self.split in self.inputs:
            raise ValueError(
                f"inputs: column '{self.split}' says which split a row is in, another word in each: leave it out"
            )
        return self


class Separated(Settings):
    """Several labels in one column, such as `mass|nodule`: each different word is a label.

    Attributes:
        column: Where they stand. Where it is empty, all labels of the row are unknown.
        separator: Between two of them.
        none: What stands there where a row has none of them, such as `No Finding`; `""` for nothing at all.
    """

    column: str
    separator: str = Field(default="|", min_length=1)
    none: str | None = None

    @classmethod
    def _as_declared(cls, key: str, value: object) -> object:
        return value  # here, `none` is a word like any other


def _said_as(labels: object) -> str:
    return "[columns]" if isinstance(labels, list | tuple) else "[words]"  # brackets keep a tag out of messages


Several = Annotated[
    Annotated[Columns, Tag("[columns]")] | Annotated[Separated, Tag("[words]")], Discriminator(_said_as)
]
Size = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_listed)]


class ImagesSettings(SourceSettings, SplitBy):
    """A folder of images, with a file of labels; without one, a folder for each class, and one label named `class`.

    Attributes:
        kind: `images`.
        path: Of the folder, from `data.root` where that is given, else from the project folder. Folders in it are
            looked into.
        labels_file: A table (CSV or Parquet) with a row for each image, from the same place or within the folder.
        id: Its column with the image's path within the folder, its name, or its name without the ending.
        size: Height and width that every image is resized to (antialiased, sides are not kept in proportion); null
            where all have the same already.
        channels: `rgb`, three values a pixel, or `grey`, one.
        labels: Names for what a multilabel task predicts at once: 0/1 columns, or one column of several words. A
            column by itself is a label of its own name, and need not be listed.
        separator: Between the fields of a CSV file of labels.
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

    Where rows have one label, it is called `class`; where they have several, these are called `findings`, and `any`
    tells whether a row has one of them.

    Attributes:
        kind: `medmnist`.
        path: Of the file, from `data.root` where that is given, else from the project folder.
        name: Of one of MedMNIST's sets, such as `chestmnist`, to be downloaded instead; needs `headway[medmnist]`.
        classes: Names of the classes or findings in order; null for those that MedMNIST gives, or for numbers.
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
    """One of torchvision's classification data sets, with its own train and test rows where it has them.

    Its label is called `class`; CelebA's forty 0/1 labels are called `attributes`.

    Attributes:
        kind: `torchvision`.
        dataset: Name of the class in `torchvision.datasets`.
        path: The folder that it lies in, as torchvision's `root`; null downloads it.
        size: Height and width that every image is resized to; null where all have the same already.
    """

    implementation = "pipeline.data.sources.torchvision_sets:TorchvisionSet"

    kind: Literal["torchvision"]
    dataset: str
    path: Annotated[str | None, RESOLVED] = None
    size: Size | None = None


class SklearnSettings(SourceSettings, Clipped):
    """One of scikit-learn's bundled data sets, its inputs standardised by train.

    Its label is called `target`; linnerud's three are called by their names.
    """

    implementation = "pipeline.data.sources.sklearn_sets:SklearnSet"

    kind: Literal["sklearn"]
    dataset: Literal["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"]


class GivenSplits(Settings):
    """Splits that are files of their own; one that is not given is cut from train.

    Attributes:
        path: Of the file, from `data.root` where that is given, else from the project folder.
        validation: Path of the validation rows.
        test: Path of the test rows.
    """

    path: Annotated[str, RESOLVED]
    validation: Annotated[str | None, RESOLVED] = None
    test: Annotated[str | None, RESOLVED] = None

    def paths(self) -> dict[str, str]:
        """Those of all splits that are given, by split."""
        return _there({"train": self.path, "validation": self.validation, "test": self.test})


class TextSettings(SourceSettings, GivenSplits, SplitBy):
    """Texts with labels: one object a line (`.jsonl`), a table (`.csv`, `.tsv`, `.parquet`), or plain lines (`.txt`).

    Attributes:
        kind: `text`.
        text: The field or column that holds the text.
        labels: Names for what a multilabel task predicts at once: 0/1 fields, or one field of several words. A field by
            itself is a label of its own name, and need not be listed; where it is missing or null, it is unknown.
        separator: Between the fields of a CSV file.
        labels_file: Of plain lines, a file with the label of each on the same line; an empty line is an unknown label.
        validation_labels_file: The same for `validation`.
        test_labels_file: The same for `test`.
        classes_file: What the labels in these files stand for, such as `0<tab>negative`, one a line.
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


class TokensSettings(SourceSettings, GivenSplits):
    """Sentences whose tokens carry BIO tags, in the CoNLL layout: a token a line, an empty line after each sentence.

    Columns are parted by tabs where the first line has one, else by spaces; the first one is the token. Lines that
    begin with `-DOCSTART-`, and those before a sentence that begin with `# `, are left out. The label is called `tags`.

    Attributes:
        kind: `tokens`.
        column: Which column holds the tags, from 0; -1 is the last one. `_` stands for an unknown tag.
        repair: Read an `I-` tag with no entity of its type before it as the beginning of one; else it is an error.
    """

    implementation = "pipeline.data.sources.tokens:Tokens"

    kind: Literal["tokens"]
    column: int = -1
    repair: bool = False


def _there(paths: dict[str, str | None]) -> dict[str, str]:
    return {split: path for split, path in paths.items() if path}


class OwnSettings(SourceSettings):
    """A source of one's own, see `pipeline.data.sources.own`.

    Attributes:
        kind: Its class, as `package.module:Class`.
        path: Where its files are, if it has any: given to the class as its argument `path`. What is in them counts, by
            the fingerprint, and not where they are.
        arguments: More keyword arguments of the class.
    """

    implementation = "pipeline.data.sources.own:Own"

    kind: OwnPath
    path: Annotated[str | None, RESOLVED] = None
    arguments: dict[str, Any] = Field(default_factory=dict)


SourceSettings.own = OwnSettings
