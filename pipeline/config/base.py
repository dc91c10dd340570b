"""The base of all settings: frozen, strict about types, and closed to unknown keys."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from pipeline.config.limits import WIDTH


def as_tuple(value: Any) -> Any:
    """Convert a list, as YAML has it, into the tuple that settings store."""
    return tuple(value) if isinstance(value, list) else value


Widths = Annotated[tuple[Annotated[int, WIDTH], ...], BeforeValidator(as_tuple)]
"""Widths of hidden layers, outermost first; YAML writes a list."""

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80


def abbreviated(value: Any) -> str:
    """The `repr` of a value for a message, truncated if it is long or deeply nested."""
    return _repr.repr(value)


def unknown_name(what: str, name: str, names: Iterable[str], otherwise: str) -> ValueError:
    """The error for an unknown name: it suggests the closest known name, or gives other advice if none is close."""
    guess = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{guess[0]}'?" if guess else otherwise
    return ValueError(f"there is no {what} '{name}' ({hint})")


class Settings(BaseModel):
    """A group of settings; `null` and `none` both switch an optional part off."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _off(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: cls._as_declared(key, value) for key, value in values.items()}

    @classmethod
    def _as_declared(cls, key: str, value: Any) -> Any:
        """Read `none` as null where the setting may be null, and null as `none` where that is a choice."""
        field = cls.model_fields.get(key)
        if field is None or value not in (None, "none"):
            return value
        choices = get_args(field.annotation)
        if value is None and "none" in choices:
            return "none"
        return None if value == "none" and type(None) in choices else value
