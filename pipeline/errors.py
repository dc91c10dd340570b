"""The two ways a command can end badly; the command line turns each into one line and an exit code."""


class UserError(ValueError):
    """What the user gave is wrong: the line says what, where and what to do (exit code 2)."""


class Failure(RuntimeError):
    """What the user asked for is right, but could not be done here and now (exit code 1)."""


class Diverged(Failure):
    """Training came to no finite values: another training may still do."""
