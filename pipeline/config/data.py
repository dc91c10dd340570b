"""Settings of the data: which examples, how they are split, mixed and encoded."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator

from pipeline.config.base import Settings, abbreviated
from pipeline.config.facts import read_by
from pipeline.config.limits import REPEATS, ROWS
from pipeline.config.parts import Part


class VocabularySettings(Part):
    """How text is encoded: one vocabulary, built from the training rows of all text sources together.

    Under trunk `huggingface` the encoder's own tokenizer is used, and only `length` is read.

    Attributes:
        kind: `words` or `subwords`.
        length: Maximum number of tokens of a row; longer rows are truncated. null takes the 99.5 % quantile of the
            training rows, at most 128.
        min_count: Minimum number of occurrences in training rows of a word, or of a pair of adjacent subwords; rarer
            words are represented by their shape, prefix and suffix alone.
    """

    part = "kind of vocabulary"
    default = "words"

    kind: str
    length: int | None = Field(default=None, ge=1, le=4096)
    min_count: Annotated[int, ROWS] = Field(default=2, ge=1)


class WordVocabulary(VocabularySettings):
    """A token is represented by its word, shape, prefixes and suffixes.

    Attributes:
        words: Maximum number of words, the most frequent ones.
        buckets: Number of hash buckets for shapes, prefixes and suffixes.
    """

    kind: Literal["words"]
    words: Annotated[int, ROWS] = Field(default=20_000, ge=1)
    buckets: Annotated[int, ROWS] = Field(default=8192, ge=16)


class SubwordVocabulary(VocabularySettings):
    """A token is represented by its parts, by byte-pair encoding; needs `headway[transformers]`.

    Attributes:
        subwords: Maximum number of subwords.
    """

    kind: Literal["subwords"]
    subwords: Annotated[int, ROWS] = Field(default=8_000, ge=64)


class OuterFolds(Settings):
    """Every row tests: the rows are cut into folds, and each fold is the test split of one replicate of everything.

    Attributes:
        folds: Number of folds.
        repeats: How many times the rows are cut into folds, differently each time; each repeat tests every row once.
    """

    folds: Annotated[int, REPEATS] = Field(ge=2)
    repeats: Annotated[int, REPEATS] = Field(default=2, ge=1)

    def __str__(self) -> str:
        return f"{self.folds} folds{ {1: '', 2: ', twice'}.get(self.repeats, f', {self.repeats} times') }"


_MOST = 1024  # replicates
_Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class DataSettings(Settings):
    """Settings of the examples, and of how they are split and mixed.

    Attributes:
        variant: `sample` reads the samples in the repository; `full` reads `root` or downloads.
        root: Folder of the full data (`MNIST/raw/...`), read only; null downloads.
        prepared: Folder under which prepared arrays are stored.
        validation: Share of the training part that becomes the validation split, in [0, 1); 0 for none.
        test: Share held out as the test split if the source has no test rows of its own; or `{folds: 5, repeats: 2}`,
            so that every row tests. `auto`: such folds if the source with the fewest rows has below 5,000, and none has
            test rows of its own or a `time`; else 0.2.
        mix: How sources of different size share an epoch. `longest`: the shorter are reshuffled and cycled;
            `proportional`: rows per step in proportion to size; `shortest`: the rest of the longer is dropped;
            `temperature`: as many rows per step as `proportional`, in proportion to size^(1/temperature).
        temperature: 1 is `proportional`, higher is closer to uniform (Raffel et al. 2020, arXiv 1910.10683, 3.5.2, who
            sample at random: here each step has each source's share).
        text: How text is encoded.
    """

    variant: Literal["sample", "full"] = "sample"
    root: str | None = None
    prepared: str = ".headway"
    validation: Annotated[float, read_by("prepare", "train", "study")] = Field(default=0.1, ge=0.0, lt=1.0)
    test: Annotated[Literal["auto"] | _Share | OuterFolds, read_by("prepare")] = "auto"
    mix: Annotated[Literal["longest", "proportional", "shortest", "temperature"], read_by("train", "study")] = "longest"
    temperature: Annotated[float, read_by("train", "study")] = Field(default=2.0, ge=1.0)
    text: Annotated[SerializeAsAny[VocabularySettings], BeforeValidator(VocabularySettings.of), read_by("prepare")] = (
        WordVocabulary(kind="words")
    )

    @field_validator("test", mode="before")
    @classmethod
    def _share_or_folds(cls, test: Any) -> Any:
        if isinstance(test, dict | OuterFolds) or test == "auto":
            return test
        if isinstance(test, bool) or not isinstance(test, int | float) or not 0.0 < test < 1.0:
            raise ValueError(f"a share between 0 and 1, {{folds: 5, repeats: 2}} or auto; found {abbreviated(test)}")
        return float(test)

    @field_validator("test")
    @classmethod
    def _few(cls, test: Any) -> Any:
        if isinstance(test, OuterFolds) and test.folds * test.repeats > _MOST:
            raise ValueError(f"{test.folds} folds x {test.repeats} are more than {_MOST:,} networks")
        return test

    @property
    def effective_temperature(self) -> float:
        """The temperature if `mix` is `temperature`, else 1."""
        return self.temperature if self.mix == "temperature" else 1.0
