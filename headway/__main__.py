"""The command `headway`; `python -m headway` is the same."""

import sys

from headway.hidden import check_not_hidden, leave_working_directory


def main() -> None:
    """Run the command line, see `pipeline.cli`; a module that hides it is said in one line."""
    try:
        check_not_hidden()
    except ImportError as error:
        print(f"headway: {error}", file=sys.stderr)
        sys.exit(2)
    from pipeline.cli import main as command_line

    command_line()


if __name__ == "__main__":
    leave_working_directory()
    main()
