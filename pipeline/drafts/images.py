"""An experiment on a folder of images, drafted from the folder and its file of labels."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.decoding import decoded
from pipeline.data.sources.image_folder import ImageFolder, same_image
from pipeline.data.sources.looked import Column, look
from pipeline.data.tables.typed import TableFile, open_table
from pipeline.drafts.targets import check_targets
from pipeline.drafts.writing import experiment, flow, from_project, plain, said
from pipeline.errors import UserError

_LOOKED_AT = 200
_LONGER_SIDE = 64
_SHOWN = 8  # classes that a comment names


@dataclass
class _Draft:
    """The lines of a source and of its tasks.

    Attributes:
        source: Settings of the source, each with a comment.
        labels: Settings under the source's `labels`.
        tasks: Settings of the tasks.
        left_out: Columns that are not used, and why.
    """

    source: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def task(self, label: str, kind: str, comment: str, source: str) -> None:
        """A task that predicts a label."""
        name = plain(label).strip("_") or "label"
        while name == "all" or any(line.startswith(f"{flow(name)}: ") for line in self.tasks):
            name += "_"
        settings = {"kind": kind, "source": source} | ({"label": label} if name != label else {})
        self.tasks.append(f"{flow(name)}: {flow(settings)}{said(comment)}")


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
    source = plain(name)
    draft = _Draft()
    draft.source += ["kind: images", f"path: {flow(from_project(folder, project))}"]
    if labels is None:
        of = _by_folders(draft, found, targets, source)
    else:
        of = _by_table(draft, found, open_table(labels), targets, source, project)
    draft.source += _looks(found)
    return experiment(
        f"{len(found.names):,} images in {folder.name}{of}",
        name,
        source,
        [*draft.source, *(["labels:"] if draft.labels else []), *(f"  {line}" for line in draft.labels)],
        [
            *draft.tasks,
            *(f"# left out: {line}" for line in draft.left_out),
            *(said(note).strip() for note in found.notes),
        ],
        ["model: {trunk: {widths: [256], dropout: 0.2}}  # one hidden layer; more widths are more layers"],
    )


def _by_folders(draft: _Draft, folder: ImageFolder, targets: Mapping[str, str], source: str) -> str:
    """Without a file of labels."""
    if targets and set(targets) != {"class"}:
        raise UserError(f"--targets: without --labels there is one, 'class', found {', '.join(targets)}")
    codes, classes, split = folder.classes()
    kind = targets.get("class") or ("binary" if len(classes) == 2 else "multiclass")
    where = "within train, validation and test, which are kept" if split is not None else f"in {folder.path.name}"
    counts = Counter(classes[code] for code in codes).most_common(_SHOWN)
    shown = ", ".join([f"{name} {count:,}" for name, count in counts] + ["..."] * (len(classes) > _SHOWN))
    draft.task("class", kind, f"the {len(classes)} folders {where}: {shown}", source)
    return ""


def _by_table(
    draft: _Draft, folder: ImageFolder, table: TableFile, targets: Mapping[str, str], source: str, project: Path
) -> str:
    """With a file of labels."""
    columns = look(table)
    found = {name: same_image(folder.names, it.counts) for name, it in columns.items() if it.is_name}
    ids = max(found, key=lambda name: found[name], default="")
    if not found.get(ids):
        raise UserError(
            f"{table.path}: no column names an image in {folder.path}, such as '{folder.names[0]}'; "
            f"the columns are {', '.join(columns)}"
        )
    about = columns.pop(ids)
    draft.source += [
        f"labels_file: {flow(from_project(table.path, project))}",
        f"id: {flow(ids)}{said(f'{found[ids]:,} of its {len(about.counts):,} values looked at are images')}",
    ]
    _split_by(draft, columns, targets)
    flags = [name for name, column in columns.items() if column.is_flag and name not in targets]
    check_targets(columns, targets, flags)
    _tasks(draft, columns, targets, flags, source)
    if not draft.tasks:
        raise UserError(f"{table.path}: no column looks like a label: name them with --targets COLUMN:KIND")
    return f" and the rows of {table.path.name}"


def _split_by(draft: _Draft, columns: dict[str, Column], targets: Mapping[str, str]) -> None:
    """By which column rows are split; it is no label."""
    for setting, why in (("split", "its values name splits"), ("group", "no two splits share one of its values")):
        for name, column in columns.items():
            if name not in targets and getattr(column, f"is_{setting}"):
                draft.source.append(f"{setting}: {flow(name)}{said(why)}")
                del columns[name]
                return


def _tasks(
    draft: _Draft, columns: Mapping[str, Column], targets: Mapping[str, str], flags: list[str], source: str
) -> None:
    """The columns to predict: those that were asked for, else all that look like labels."""
    whole = next((name for name, kind in targets.items() if name not in columns), None)
    if whole or (not targets and len(flags) > 1):
        group = whole or ("labels" if "findings" in columns else "findings")
        draft.labels.append(f"{flow(group)}: {flow(flags)}{said('columns of 0 and 1')}")
        draft.task(group, "multilabel", f"{len(flags)} labels at once", source)
        columns = {name: column for name, column in columns.items() if name not in flags}
    for name, column in columns.items():
        kind = column.kind if not targets or targets.get(name) == "" else targets.get(name)
        if kind is None:
            draft.left_out.append(f"'{name}', {'not in --targets' if targets else column.why}")
            continue
        if kind == "multilabel":
            mark = column.separator or "|"
            draft.labels.append(f"{flow(name)}: {flow(_words(column, mark))}{said('the labels stand in one column')}")
            draft.task(name, kind, f"{len(column.words(mark))} labels at once", source)
        else:
            draft.task(name, kind, column.why, source)


def _words(column: Column, mark: str) -> dict[str, str]:
    """The settings of a column of several words; a word such as `No Finding` is none of them."""
    alone = {value.strip() for value in column.counts} - {
        word.strip() for value in column.counts if mark in value for word in value.split(mark)
    }
    none = sorted(word for word in alone if re.match(r"(?i)no\b|none|normal|healthy|nothing", word))
    return {"column": column.name, "separator": mark} | ({"none": none[0]} if none else {})


def _looks(folder: ImageFolder) -> list[str]:
    """Settings of what the images look like, by some of them, spread evenly."""
    step = -(-len(folder.names) // _LOOKED_AT)
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for name in folder.names[::step]:
        pixels = decoded(folder.path / name, "rgb")
        sizes[pixels.shape[-2:]] += 1
        grey = grey and bool((pixels == pixels[:1]).all())
    colours = "have no colours" if grey else "have colours"
    lines = [f"channels: {'grey' if grey else 'rgb'}{said(f'the {sizes.total()} images looked at {colours}')}"]
    (height, width), _ = sizes.most_common(1)[0]
    longer = max(height, width)
    if len(sizes) == 1 and longer <= _LONGER_SIDE:
        return [*lines, f"size: null{said(f'the images looked at all have {height} x {width} pixels')}"]
    factor = min(1.0, _LONGER_SIDE / longer)
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    why = f"differ in size, most have {height} x {width}" if len(sizes) > 1 else f"have {height} x {width}"
    return [*lines, f"size: {flow(size)}{said(f'the images looked at {why}: larger sizes cost time and memory')}"]
