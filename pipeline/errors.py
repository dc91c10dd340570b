"""The exceptions that the command line turns into one line and an exit code."""


class _OneLine(Exception):
    """Notebooks show its message alone."""

    def _render_traceback_(self) -> list[str]:
        """IPython's hook."""
        return [f"{type(self).__name__}: {self}"]


class UserError(_OneLine, ValueError):
    """The user's input is wrong: the message says what, where and how to correct it (exit code 2)."""


class Failure(_OneLine, RuntimeError):
    """The request is valid, but could not be carried out (exit code 1)."""


class Diverged(Failure):
    """Training diverged; training with other settings or another seed may succeed."""


class StudyStopped(Failure):
    """`headway study stop` ended a study after an epoch; `--resume` goes on with it."""

    def __init__(self, by: str = "") -> None:
        super().__init__(f"the study was stopped{by and f' by {by}'}, all it knows is kept: --resume goes on")
