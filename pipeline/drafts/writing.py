"""YAML with comments, as a person would write it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.load import FLOATS
from pipeline.config.tasks import ALL, ROOM, plain
from pipeline.printable import printable

_COMMENT = 44  # column at which comments begin where there is room
_WIDTH = 120

Path_ = tuple[str, ...]


class _Block(dict[str, Any]):
    """A mapping with a line for each entry; any other stands on one line."""


class _Dumper(yaml.SafeDumper):
    """Quotes all words that experiment files would be read as something else, and escapes what cannot be seen."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        self.allow_unicode = printable(text) == text
        super().write_double_quoted(text, split)
        self.allow_unicode = True


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if printable(text) == text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _block(dumper: _Dumper, entries: _Block) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", entries, flow_style=False)


_Dumper.add_implicit_resolver(*FLOATS)
_Dumper.add_representer(str, _string)
_Dumper.add_representer(_Block, _block)


def dumped(tree: Any, **options: Any) -> str:
    """Data as YAML that a person may read on a terminal."""
    options = {"width": float("inf"), **options}
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **options)  # type: ignore[no-any-return]


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    return dumped(value, default_flow_style=True).removesuffix("...\n").strip()


class Draft:
    """An experiment file in the making: its data, which PyYAML writes, and comments, which are laid over its lines.

    Attributes:
        head: Comments at the top.
        tree: The data.
    """

    def __init__(self, *head: str) -> None:
        self.head = head
        self.tree = _Block()
        self._behind: dict[Path_, tuple[str, bool]] = {}
        self._above: dict[Path_, list[str]] = {}
        self._below: dict[Path_, list[str]] = {}

    def put(self, path: Path_, value: Any, said: str = "", cut: bool = False) -> None:
        """Set the value at a path of keys.

        Args:
            path: Those before the last are mappings with a line for each entry.
            value: Written on one line.
            said: A comment behind it.
            cut: Whether the comment may be cut where a line has no room for it.
        """
        entries = self.tree
        for key in path[:-1]:
            entries = entries.setdefault(key, _Block())
        entries[path[-1]] = value
        self._behind[path] = (said, cut)

    @property
    def every_row_tests(self) -> bool:
        """Whether its data are cut into outer folds, which are as many networks as there are."""
        return isinstance(self.tree.get("data", {}).get("test"), dict)

    def say(self, path: Path_, comment: str, below: bool = False) -> None:
        """Add a comment on a line of its own, above the entry at a path, or below the last of its entries."""
        (self._below if below else self._above).setdefault(path, []).append(comment)

    def text(self) -> str:
        """The text of the file."""
        written = dumped(self.tree, default_flow_style=True)
        lines = [[it] for it in written.split("\n")]
        root = yaml.compose(written, yaml.SafeLoader)
        assert isinstance(root, yaml.MappingNode)
        self._comment(lines, root, ())
        return "\n".join([*(f"# {printable(it)}" for it in self.head), *(it for own in lines for it in own)])

    def _comment(self, lines: list[list[str]], entries: yaml.MappingNode, path: Path_) -> int:
        """Lay comments over the lines of a mapping; the number of its last line. Marks say where entries stand."""
        last = entries.start_mark.line
        for key, value in entries.value:
            own, first = (*path, key.value), lines[key.start_mark.line]
            indent = " " * entries.start_mark.column
            first[:0] = [f"{indent}# {printable(it)}" for it in self._above.get(own, ())]
            last = (key if isinstance(value, yaml.MappingNode) and not value.flow_style else value).end_mark.line
            lines[last][-1] = _with_comment(lines[last][-1], *self._behind.get(own, ("", False)))
            if isinstance(value, yaml.MappingNode) and not value.flow_style:
                last = self._comment(lines, value, own)
                indent = " " * value.start_mark.column
            lines[last] += [f"{indent}# {printable(it)}" for it in self._below.get(own, ())]
        return last


def _with_comment(line: str, comment: str, cut: bool) -> str:
    comment = printable(comment)
    room = max(_WIDTH - max(len(line) + 2, _COMMENT) - 2, 20)
    if cut and len(comment) > room:
        comment = f"{comment[: room - 4].rstrip(' .,')} ..."
    return f"{line:{_COMMENT - 2}}  # {comment}" if comment else line


def put_separator(draft: Draft, source: Path_, separator: str) -> None:
    """The setting of a source that says what stands between the fields of its CSV file, if that is no comma."""
    if separator != ",":
        draft.put((*source, "separator"), separator, "as the first rows have it")


def drafted(what: str) -> str:
    """What a draft says of itself."""
    return f"Drafted from {what}. Guesses are explained: mend what is wrong."


def task_names(labels: Iterable[str]) -> dict[str, str]:
    """Names of tasks, by the label that each predicts: those that a task can bear, and figures, stay as they are."""
    labels = list(dict.fromkeys(labels))
    names, taken = {}, {ALL}
    for label in sorted(labels, key=lambda it: plain(it, longest=ROOM) != it):
        names[label] = plain(label, taken=taken, longest=ROOM)
        taken.add(names[label].lower())
    return {label: names[label] for label in labels}


def named_for(label: str, name: str) -> str:
    """Why a task is not called as its label is, for a comment; empty where it is."""
    if name == label:
        return ""
    why = "values over all tasks are called so" if label == ALL else "another one is called so"
    why = f"{ROOM} letters at most" if len(label) > ROOM else why
    why = "letters, digits, _ and - only" if plain(label, longest=len(label)) != label else why
    return f"for '{label}' ({why}); "


def from_project(path: Path, project: Path) -> str:
    """A path as an experiment names it: from the project folder, or whole where it lies outside."""
    whole, inside = Path(os.path.abspath(path)), Path(os.path.abspath(project))
    return (whole.relative_to(inside) if whole.is_relative_to(inside) else whole).as_posix()
