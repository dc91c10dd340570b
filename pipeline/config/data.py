"""What an experiment may say about its data."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Settings
from pipeline.config.facts import read_by

_USED = {"words": ("words", "buckets"), "subwords": ("subwords",)}
"""What each kind of vocabulary reads beside `kind`, `length` and `min_count`."""


class VocabularySettings(Settings):
    """How text becomes numbers: one vocabulary, made of the training rows of all sources of text together.

    Under trunk `huggingface` the encoder's own tokenizer makes them, and only `length` is read.

    Attributes:
        kind: `words`: a token is known by its word, shape, beginnings and endings. `subwords`: by the parts of it that
            are frequent (byte-pair encoding); needs `headway[transformers]`.
        length: Most tokens of a row; longer ones are cut. null takes what 99.5 % of the training rows keep to, at most
            128.
        words: Most words that are told apart, the most frequent ones.
        subwords: Most subwords.
        min_count: How often a word, or two neighbouring subwords, must occur in training rows to be told apart; rarer
            words are known by their shape, beginning and ending alone.
        buckets: How many numbers these shapes, beginnings and endings are hashed to.
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
    """Which examples, and how they are split and mixed.

    Attributes:
        variant: `sample` reads what ships; `full` reads `root` or downloads.
        root: Folder of the full data (`MNIST/raw/...`), only ever read; null downloads.
        prepared: Folder under which prepared arrays are kept.
        validation: Share of the training part that becomes the validation split, in [0, 1); 0 for none.
        test: Share held out as the test split where the source has no test part of its own.
        mix: How sources of different size share an epoch. `longest`: the shorter are reshuffled and cycled;
            `proportional`: rows a step in proportion to size; `shortest`: the rest of the longer is dropped;
            `temperature`: as many rows as `proportional` in all, shared out in proportion to size^(1/temperature).
        temperature: 1 is `proportional`, the higher the more alike (Raffel et al. 2020, arXiv 1910.10683, 3.5.2, who
            sample at random: here each source's share is kept in every step).
        text: How text becomes numbers.
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
        """The temperature where it is what mixes, else 1."""
        return self.temperature if self.mix == "temperature" else 1.0
