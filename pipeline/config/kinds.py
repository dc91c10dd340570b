"""Settings whose `kind` says which of the others count."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from pipeline.config.base import Settings, shown
from pipeline.config.own import is_own


class OfKind(Settings):
    """A part of an experiment that comes in several kinds; `kind: x` alone can be written as `x`.

    Attributes:
        kind: Which.
    """

    _part: ClassVar[str]
    """What it is called in messages."""

    _always: ClassVar[tuple[str, ...]] = ("kind",)
    """What all kinds read."""

    _used: ClassVar[Mapping[str, tuple[str, ...]]]
    """What each kind reads beside; under the empty name, a kind of the user's own."""

    _own: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Defaults of a kind that are not those of all."""

    _needed: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Settings of a kind that have no default, with a value that stands for any."""

    kind: str

    @model_validator(mode="before")
    @classmethod
    def _own_defaults(cls, values: Any) -> Any:
        own = cls._own.get(str(values.get("kind")), {}) if isinstance(values, dict) else {}
        return {**own, **values} if own else values

    @model_validator(mode="after")
    def _uses_all(self) -> "OfKind":
        for name, field in type(self).model_fields.items():
            if name not in self.used and getattr(self, name) != field.get_default(call_default_factory=True):
                value = shown(getattr(self, name))
                raise ValueError(f"{self._part} '{self.kind}' does not use {name}={value}: leave it out")
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the settings that the kind reads, itself among them."""
        return (*self._always, *self._used["" if is_own(self.kind) else self.kind])

    def given(self) -> dict[str, Any]:
        """The kind, and what is not at that kind's defaults, as JSON: all that makes the same settings again."""
        bare = {"kind": self.kind, **self._needed.get(self.kind, {})}
        plain, every = (it.model_dump(mode="json") for it in (type(self).model_validate(bare), self))
        return {name: it for name, it in every.items() if name == "kind" or it != plain[name]}


def short(value: Any) -> Any:
    """A kind given in short, as the mapping that it stands for."""
    return {"kind": value} if isinstance(value, str) else value
