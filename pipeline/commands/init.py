"""`headway init`: draft an experiment from files."""

import json
import os
import re
from pathlib import Path

from pipeline.config import load, project_folder
from pipeline.config.tasks import plain
from pipeline.errors import Failure, UserError
from pipeline.files import check_regular
from pipeline.printable import echo, printable


def init(data: Path, labels: Path | None, targets: str, text: bool, name: str, as_json: bool) -> None:
    """Write `experiments/NAME.yaml`; by default the name is that of the data, as far as an experiment can bear it.

    Raises:
        UserError: The data cannot be read, or an experiment of that name exists.
        Failure: The file cannot be written.
    """
    project = project_folder(begin=True)
    asked = name or Path(os.path.abspath(data)).name.split(".")[0]
    name = re.sub(r"^[_-]+", "", plain(asked, "mine")) or "mine"
    path = project / "experiments" / f"{name}.yaml"
    if path.exists():
        raise UserError(f"{path.relative_to(project)} exists already: give another --name, or delete it first")
    for path_given in filter(None, (data, labels)):
        check_regular(path_given)
    if not data.exists():
        raise UserError(f"{data}: no such file or folder")
    content = drafted(data, labels, targets, text, name, project)
    if name != asked:
        said = "names of experiments have letters, digits, _ and - only, and begin with one of the first two"
        content = f"# '{printable(asked)}' is called {name}: {said}.\n{content}"
    write_experiment(path, content, project)
    if as_json:
        print(json.dumps({"experiment": name, "file": str(path.relative_to(project))}))
        return
    echo(*content.split("\n"), f"written to {path.relative_to(project)}; look it over, then: headway run {name}")


def write_experiment(path: Path, content: str, project: Path) -> None:
    """Write the experiment if it is valid, else nothing.

    Raises:
        UserError: It is not valid.
        Failure: It cannot be written.
    """
    partial = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(exist_ok=True)
        partial.write_text(content, encoding="utf-8")
        load(str(partial), {}, project)
        partial.replace(path)
    except OSError as error:
        raise Failure(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)


def drafted(data: Path, labels: Path | None, targets: str, text: bool, name: str, project: Path) -> str:
    """The draft for the kind of data that is found.

    Args:
        data: A table, a folder of images, or texts.
        labels: Of a folder of images.
        targets: As `--targets` takes them.
        text: Whether they are texts.
        name: Of the experiment.
        project: The project folder.

    Raises:
        UserError: The data cannot be read, or have no such columns.
    """
    from pipeline.data.conll import is_conll
    from pipeline.data.tables.lines import JSON, ends_with
    from pipeline.drafts.table import draft_table
    from pipeline.drafts.targets import kinds, parse

    if labels or (data.is_dir() and not any(data.rglob("*.parquet"))):
        from pipeline.drafts.images import draft_images

        return draft_images(data, labels, kinds(targets), name, project)
    from pipeline.drafts.text import draft_text, holds_texts

    if text or is_conll(data) or (ends_with(data, *JSON) and holds_texts(data)):
        return draft_text(data, kinds(targets), name, project)
    return draft_table(data, parse(targets), name, project)
