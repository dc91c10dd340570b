"""The exceptions that the command line turns into one line and an exit code."""


class UserError(ValueError):
    """The user's input is wrong: the message says what, where and how to correct it (exit code 2)."""


class Failure(RuntimeError):
    """The request is valid, but could not be carried out (exit code 1)."""


class Diverged(Failure):
    """Training diverged; training with other settings or another seed may succeed."""
