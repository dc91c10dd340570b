"""Descriptions of runs and models, in Markdown as MLflow shows it."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.config.tasks import TaskSettings, titles
from pipeline.printable import markdown

_MOST_CLASSES = 20


def link(text: str, address: str) -> str:
    """A link to a page; the text is escaped."""
    return f"[{markdown(text)}]({address})"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all cells are escaped, and end in a space, as MLflow leaves none between columns."""
    first, *others = [" | ".join(f"{markdown(it)}&ensp;" for it in line) for line in (headers, *rows)]
    return "\n".join(f"| {line} |" for line in (first, " | ".join(["---"] * len(headers)), *others))


def predicted(tasks: Mapping[str, TaskSettings], classes: Mapping[str, Sequence[str]] | None = None) -> str:
    """What each task is, an item each.

    Args:
        tasks: Of the experiment.
        classes: Names of each task's classes, where they are known.
    """
    lines = []
    for name, title in titles(tasks).items():
        own = (classes or {}).get(name, ())
        more = f" and {len(own) - _MOST_CLASSES} more" if len(own) > _MOST_CLASSES else ""
        named = f": {', '.join(map(markdown, own[:_MOST_CLASSES]))}{more}" if own else ""
        lines.append(f"- **{markdown(title)}**, {tasks[name].kind}{named}")
    return "\n".join(lines)
