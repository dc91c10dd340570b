"""Settings of the data: which examples, how they are split, mixed and encoded."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Settings
from pipeline.config.facts import read_by

_USED = {"words": ("words", "buckets"), "subwords": ("subwords",)}
"""The settings of each kind of vocabulary beside `kind`, `length` and `min_count`."""


class VocabularySettings(Settings):
    """How text is encoded: one vocabulary, built from the training rows of all text sources together.

    Under trunk `huggingface` the encoder's own tokenizer is used, and only `length` is read.

    Attributes:
        kind: `words`: a token is represented by its word, shape, prefixes and suffixes. `subwords`: by byte-pair
            encoding; needs `headway[transformers]`.
        length: Maximum number of tokens of a row; longer rows are truncated. null takes the 99.5 % quantile of the
            training rows, at most 128.
        words: Maximum number of words, the most frequent ones.
        subwords: Maximum number of subwords.
        min_count: Minimum number of occurrences in training rows of a word, or of a pair of adjacent subwords; rarer
            words are represented by their shape, prefix and suffix alone.
        buckets: Number of hash buckets for shapes, prefixes and suffixes.
    """

    kind: Literal["words", "subwords"] = "words"
    length: int | None = Field(default=None, ge=1, le=4096)
    words: int = Field(default=20_000, ge=1)
    subwords: int = Field(default=8_000, ge=64)
    min_count: int = Field(default=2, ge=1)
    buckets: int = Field(default=8192, ge=16)

    @model_validator(mode="after")
    def _consistent(self) -> "VocabularySettings":
        for name in (it for kind, used in _USED.items() if kind != self.kind for it in used):
            if (value := getattr(self, name)) != type(self).model_fields[name].default:
                raise ValueError(f"kind={self.kind} does not use {name}={value}: leave it out")
        return self


class DataSettings(Settings):
    """Settings of the examples, and of how they are split and mixed.

    Attributes:
        variant: `sample` reads the samples in the repository; `full` reads `root` or downloads.
        root: Folder of the full data (`MNIST/raw/...`), read only; null downloads.
        prepared: Folder under which prepared arrays are stored.
        validation: Share of the training part that becomes the validation split, in [0, 1); 0 for none.
        test: Share held out as the test split if the source has no test rows of its own.
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
    test: Annotated[float, read_by("prepare")] = Field(default=0.2, gt=0.0, lt=1.0)
    mix: Annotated[Literal["longest", "proportional", "shortest", "temperature"], read_by("train", "study")] = "longest"
    temperature: Annotated[float, read_by("train", "study")] = Field(default=2.0, ge=1.0)
    text: Annotated[VocabularySettings, read_by("prepare")] = VocabularySettings()

    @property
    def effective_temperature(self) -> float:
        """The temperature if `mix` is `temperature`, else 1."""
        return self.temperature if self.mix == "temperature" else 1.0
