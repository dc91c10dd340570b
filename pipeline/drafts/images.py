"""An experiment on a folder of images, drafted from the folder and its file of labels."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.data.decoding import decoded
from pipeline.data.sources.image_folder import ImageFolder, same_image
from pipeline.data.sources.looked import Column, look
from pipeline.data.tables.columns import some
from pipeline.data.tables.typed import TableFile, open_table, separator_of
from pipeline.drafts.targets import check_targets
from pipeline.drafts.tested import put_test, rows_of_classes
from pipeline.drafts.writing import Draft, drafted, from_project, named_for, put_separator, task_names
from pipeline.errors import UserError

_LOOKED_AT = 200
_LONGER_SIDE = 64
_SHOWN = 8  # classes that a comment names


class _Draft(Draft):
    """The draft of a source and of its tasks.

    Args:
        name: Of the experiment and of its source.
        path: Of the folder.

    Attributes:
        rows: Of the source.
        is_split: It says itself which rows test.
        groups: How many groups its rows come in, if any.
        classes: By label, the rows of each class.
    """

    groups: int | None

    def __init__(self, name: str, path: str) -> None:
        super().__init__()
        self.name, self.source = name, ("sources", name)
        self._tasks: dict[str, tuple[str, str]] = {}
        self.left_out: list[str] = []
        self.rows, self.is_split, self.groups = 0, False, None
        self.classes: dict[str, Mapping[str, int]] = {}
        self.put(("name",), name)
        self.set("kind", "images")
        self.set("path", path)

    def set(self, setting: str, value: Any, said: str = "") -> None:
        """A setting of the source."""
        self.put((*self.source, setting), value, said)

    def label(self, name: str, columns: Any, said: str) -> None:
        """A setting under the source's `labels`."""
        self.put((*self.source, "labels", name), columns, said)

    def task(self, label: str, kind: str, said: str) -> None:
        """A task that predicts a label."""
        self._tasks[label] = (kind, said)

    @property
    def has_tasks(self) -> bool:
        """Whether there is anything to predict."""
        return bool(self._tasks)

    def put_tasks(self) -> None:
        """Write the tasks, when all are known, and what is none."""
        names = task_names(self._tasks)
        for label, (kind, said) in self._tasks.items():
            settings = {"kind": kind, "source": self.name} | ({"label": label} if names[label] != label else {})
            self.put(("tasks", names[label]), settings, named_for(label, names[label]) + said)
        for line in self.left_out:
            self.say(("tasks",), f"left out: {line}", below=True)


def draft_images(folder: Path, labels: Path | None, targets: dict[str, str], name: str, project: Path) -> str:
    """The text of an experiment file.

    Args:
        folder: Of the images.
        labels: The file of their labels; None where each class has a folder of its own.
        targets: Kinds of tasks by column, empty ones to be guessed; none to take every column that looks like a label.
        name: Of the experiment and of its source.
        project: The project folder, from which paths are told.

    Raises:
        UserError: The files are not what they should be, or no column names the images.
    """
    found = ImageFolder.of(folder)
    draft = _Draft(name, from_project(folder, project))
    if labels is None:
        of = _by_folders(draft, found, targets)
    else:
        separator = separator_of(labels)
        of = _by_table(draft, found, open_table(labels, separator), targets, project)
        put_separator(draft, draft.source, separator)
    _looks(draft, found)
    draft.put_tasks()
    if not draft.is_split:
        put_test(draft, name, draft.rows, draft.classes, draft.groups)
    for note in found.notes:
        draft.say(("tasks",), note, below=True)
    draft.put(
        ("model",),
        {"trunk": {"widths": [256], "dropout": 0.2}},
        "one hidden layer; more widths are more layers",
    )
    draft.head = (drafted(f"{len(found.names):,} images in {folder.name}{of}"),)
    return draft.text()


def _by_folders(draft: _Draft, folder: ImageFolder, targets: Mapping[str, str]) -> str:
    """Without a file of labels."""
    if targets and set(targets) != {"class"}:
        raise UserError(f"--targets: without --labels there is one, 'class', found {', '.join(targets)}")
    codes, classes, split = folder.classes()
    kind = targets.get("class") or ("binary" if len(classes) == 2 else "multiclass")
    where = "within train, validation and test, which are kept" if split is not None else f"in {folder.path.name}"
    if len(classes) == 1:
        raise UserError(
            f"{folder.path}: one folder with images, '{classes[0]}', is one class: there is nothing to learn; "
            "give the folder in which the folders of the classes lie"
        )
    counts = Counter(classes[code] for code in codes)
    shown = ", ".join([f"{name} {count:,}" for name, count in counts.most_common(_SHOWN)])
    shown += ", ..." if len(classes) > _SHOWN else ""
    draft.is_split, draft.rows = split is not None, len(codes)
    draft.classes["class"] = counts
    draft.task("class", kind, f"the {len(classes)} folders {where}: {shown}")
    depth = 2 if split is None else 3
    if deeper := sorted({"/".join(it[:depth]) for name in folder.names if len(it := name.split("/")) > depth}):
        draft.left_out.append(f"the names of {len(deeper):,} folders within those of the classes ({some(deeper)})")
    return ""


def _by_table(draft: _Draft, folder: ImageFolder, table: TableFile, targets: Mapping[str, str], project: Path) -> str:
    """With a file of labels."""
    columns = look(table)
    found = {name: same_image(folder, table.path, it.counts) for name, it in columns.items() if it.is_name}
    ids = max(found, key=lambda name: found[name], default="")
    if not found.get(ids):
        raise UserError(
            f"{table.path}: no column names an image in {folder.path}, such as '{folder.names[0]}'; "
            f"the columns are {', '.join(columns)}"
        )
    about = columns.pop(ids)
    draft.rows = about.rows
    draft.set("labels_file", from_project(table.path, project))
    draft.set("id", ids, f"{found[ids]:,} of its {len(about.counts):,} values looked at are images")
    _split_by(draft, columns, targets)
    flags = [name for name, column in columns.items() if column.is_flag and name not in targets]
    check_targets(columns, targets, flags)
    _tasks(draft, columns, targets, flags)
    if not draft.has_tasks:
        raise UserError(f"{table.path}: no column looks like a label: name them with --targets COLUMN:KIND")
    return f" and the rows of {table.path.name}"


def _split_by(draft: _Draft, columns: dict[str, Column], targets: Mapping[str, str]) -> None:
    """By which column rows are split; it is no label."""
    for setting, why in (("split", "its values name splits"), ("group", "no two splits share one of its values")):
        for name, column in columns.items():
            if name not in targets and getattr(column, f"is_{setting}"):
                draft.set(setting, name, why)
                draft.is_split, draft.groups = setting == "split", columns.pop(name).different
                return


def _tasks(draft: _Draft, columns: Mapping[str, Column], targets: Mapping[str, str], flags: list[str]) -> None:
    """The columns to predict: those that were asked for, else all that look like labels."""
    whole = next((name for name, kind in targets.items() if name not in columns), None)
    if whole or (not targets and len(flags) > 1):
        group = whole or ("labels" if "findings" in columns else "findings")
        draft.label(group, flags, "columns of 0 and 1")
        draft.task(group, "multilabel", f"{len(flags)} labels at once")
        columns = {name: column for name, column in columns.items() if name not in flags}
    for name, column in columns.items():
        kind = column.kind if not targets or targets.get(name) == "" else targets.get(name)
        if kind is None:
            draft.left_out.append(f"'{name}', {'not in --targets' if targets else column.why}")
            continue
        if kind == "multilabel":
            mark = column.separator or "|"
            draft.label(name, _words(column, mark), "the labels stand in one column")
            draft.task(name, kind, f"{len(column.words(mark))} labels at once")
        else:
            draft.task(name, kind, column.why)
        draft.classes[name] = rows_of_classes(column, kind)


def _words(column: Column, mark: str) -> dict[str, str]:
    """The settings of a column of several words; a word such as `No Finding` is none of them."""
    alone = {value.strip() for value in column.counts} - {
        word.strip() for value in column.counts if mark in value for word in value.split(mark)
    }
    none = sorted(word for word in alone if re.match(r"(?i)no\b|none|normal|healthy|nothing", word))
    return {"column": column.name, "separator": mark} | ({"none": none[0]} if none else {})


def _looks(draft: _Draft, folder: ImageFolder) -> None:
    """Settings of what the images look like, by some of them, spread evenly."""
    step = -(-len(folder.names) // _LOOKED_AT)
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for name in folder.names[::step]:
        pixels = decoded(folder.path / name, "rgb")
        sizes[pixels.shape[-2:]] += 1
        grey = grey and bool((pixels == pixels[:1]).all())
    colours = "have no colours" if grey else "have colours"
    draft.set("channels", "grey" if grey else "rgb", f"the {sizes.total()} images looked at {colours}")
    (height, width), _ = sizes.most_common(1)[0]
    longer = max(height, width)
    if len(sizes) == 1 and longer <= _LONGER_SIDE:
        draft.set("size", None, f"the images looked at all have {height} x {width} pixels")
        return
    factor = min(1.0, _LONGER_SIDE / longer)
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    why = f"differ in size, most have {height} x {width}" if len(sizes) > 1 else f"have {height} x {width}"
    draft.set("size", size, f"the images looked at {why}: larger sizes cost time and memory")
