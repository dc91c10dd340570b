"""Parts of an experiment with a choice by name: each choice is a class with its own settings."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast, get_args

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails

from pipeline.config.base import Settings, abbreviated, as_tuple, unknown_name
from pipeline.config.own import is_own, known


class Part(Settings):
    """Base of all choices for one part, such as all trunks; `kind: x` alone can be written as `x`.

    A choice is a subclass that declares its name as a literal, which registers it:

    >>> from typing import Literal
    >>> class Schedule(Part):
    ...     part = "schedule"
    ...     default = "constant"
    ...     kind: str
    >>> class Constant(Schedule):
    ...     kind: Literal["constant"]
    >>> class Step(Schedule):
    ...     kind: Literal["step"]
    ...     factor: float = 0.1
    >>> Schedule.of({"kind": "step", "factor": 0.5})
    Step(kind='step', factor=0.5)
    >>> Schedule.of("constant")
    Constant(kind='constant')

    Attributes:
        part: Name of the part in messages.
        chosen_by: The setting that names the choice.
        default: The choice if none is named; empty if one is required.
        advice: Advice for an unknown name without a close match; by default the list of names.
        family: The base class of all choices.
        choices: The classes of all choices by name, in the order of their declaration.
        own: The class for a user's own choice, named as `package.module:Class`; None if there are no such choices.
        implementation: `module:name` of the choice's implementation, imported on first use.
    """

    model_config = ConfigDict(defer_build=True)

    part: ClassVar[str]
    chosen_by: ClassVar[str] = "kind"
    default: ClassVar[str] = ""
    advice: ClassVar[str] = ""
    family: ClassVar[type[Any]]
    choices: ClassVar[dict[str, type[Any]]]
    own: ClassVar[type[Any] | None] = None
    implementation: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if Part in cls.__bases__:
            cls.family, cls.choices = cls, {}
        for name in get_args(cls.model_fields[cls.chosen_by].annotation) if cls.chosen_by in cls.model_fields else ():
            cls.choices[name] = cls

    @classmethod
    def choice(cls, name: str) -> type[Self]:
        """The class of a choice.

        Raises:
            ValueError: The name is unknown; the message suggests the closest.
        """
        if name in cls.choices:
            return cls.choices[name]
        if cls.own is None:
            raise unknown_name(cls.part, name, cls.choices, cls.advice or ", ".join(cls.choices))
        known(cls.part, name, cls.choices, cls.advice)
        return cls.own

    @classmethod
    def all_choices(cls) -> list[type[Any]]:
        """The classes of all choices, including the one for the user's own."""
        return [*dict.fromkeys(cls.choices.values()), *filter(None, [cls.own])]

    @classmethod
    def of(cls, value: Any) -> Self:
        """The settings of a choice.

        Args:
            value: The name of the choice, a mapping of its settings with the name, or the settings themselves.

        Raises:
            ValueError: The choice is unknown, or its settings are invalid.
        """
        given = {cls.chosen_by: value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            return cast(Self, value)  # settings already, or a value that pydantic refuses
        name = given.get(cls.chosen_by) or cls.default
        if not name:
            missing = InitErrorDetails(type="missing", loc=(cls.chosen_by,), input=given)
            raise ValidationError.from_exception_data(cls.__name__, [missing])
        if not isinstance(name, str):
            raise ValueError(f"{cls.chosen_by} is the name of a {cls.part}, found {abbreviated(name)}")
        try:
            chosen = cls.choice(name)
        except ValueError as error:
            line = InitErrorDetails(type="value_error", loc=(cls.chosen_by,), input=name, ctx={"error": error})
            raise ValidationError.from_exception_data(cls.__name__, [line]) from None
        return chosen.model_validate({**given, cls.chosen_by: name})

    @model_validator(mode="before")
    @classmethod
    def _has(cls, values: Any) -> Any:
        """Refuse settings of other choices, except where they are without effect; null counts as not given."""
        if not isinstance(values, dict):
            return values
        others = [it for it in values if it not in cls.model_fields and cls._declared(it)]
        for name in others:
            if values[name] is not None and not cls.without_effect(name, values[name]):
                chosen = f"{cls.part} '{values[cls.chosen_by]}'"
                raise ValueError(f"{chosen} does not use {name}={abbreviated(values[name])}: leave it out")
        return {key: it for key, it in values.items() if key not in others and not cls._not_given(key, it)}

    @classmethod
    def _declared(cls, name: str) -> FieldInfo | None:
        """A setting as the first choice declares it that has it; None if no choice does."""
        return next((it.model_fields[name] for it in cls.all_choices() if name in it.model_fields), None)

    @classmethod
    def without_effect(cls, name: str, value: Any) -> bool:
        """Whether a setting of other choices is at the default of the first that has it, and so changes nothing."""
        declared = cls._declared(name)
        return declared is not None and bool(as_tuple(value) == declared.get_default(call_default_factory=True))

    @classmethod
    def _not_given(cls, key: str, value: Any) -> bool:
        field = cls.model_fields.get(key)
        return value is None and field is not None and type(None) not in get_args(field.annotation)

    @classmethod
    def modules(cls) -> set[str]:
        """Names of the modules that implement the choice, which no import names: their code counts in keys."""
        return {cls.implementation.partition(":")[0]} if cls.implementation else set()

    @property
    def choice_name(self) -> str:
        """The name of the choice."""
        return cast(str, getattr(self, self.chosen_by))

    @property
    def own_path(self) -> str | None:
        """The path of a user's own choice; None for a built-in one."""
        return self.choice_name if is_own(self.choice_name) else None

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the choice's docstring, in one line."""
        return " ".join((cls.__doc__ or "").partition("\n\n")[0].split())


def drop_other_choices(part: type[Part], values: Any) -> Any:
    """Settings stored by an earlier version, which listed those of all choices, without those of other choices."""
    if not isinstance(values, Mapping):
        return values
    fields = part.choice(values.get(part.chosen_by) or part.default).model_fields
    return {key: it for key, it in values.items() if key in fields}
