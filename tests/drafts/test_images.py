"""Drafts for folders of images: what is guessed, what is said of it, and that the experiment works."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.config import Experiment, load
from pipeline.data.prepare import prepare
from pipeline.drafts.images import draft_images
from pipeline.errors import UserError
from pipeline.steps.prepare import place
from tests.data.pictures import draw

HEAD = "file,mass,nodule,age,ward,patient,note"


def label_file(project: Path, rows: int = 300, head: str = HEAD) -> Path:
    lines = [
        f"{row}.png,{row % 2},{row // 2 % 2},{20.5 + row},{'abc'[row % 3]},p{row // 2},text {row}"
        for row in range(rows)
    ]
    (project / "labels.csv").write_text("\n".join([head, *lines]) + "\n")
    return project / "labels.csv"


@pytest.fixture
def drawn(project: Path) -> Path:
    """A project with three hundred small grey images."""
    draw(project / "scans", [f"{row}.png" for row in range(300)], channels=1)
    return project


def drafted(project: Path, labels: Path | None, targets: dict[str, str] | None = None) -> tuple[str, Experiment]:
    text = draft_images(project / "scans", labels, targets or {}, "scans", project)
    (project / "experiments" / "scans.yaml").write_text(text)
    return text, load("scans", {}, project)


def prepared(project: Path, experiment: Experiment) -> Any:
    out = project / "out"
    out.mkdir()
    return prepare(experiment, place(experiment, project), out, lambda line: None)


def refused(project: Path, labels: Path | None, targets: dict[str, str] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        drafted(project, labels, targets)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_columns_of_0_and_1_become_one_task_and_others_their_own(drawn: Path) -> None:
    text, experiment = drafted(drawn, label_file(drawn))
    own = experiment.sources["scans"]
    assert (own.path, own.labels_file, own.id, own.group, own.channels, own.size) == (
        "scans", "labels.csv", "file", "patient", "grey", None,
    )  # fmt: skip
    assert own.labels == {"findings": ("mass", "nodule")}
    assert {name: task.kind for name, task in experiment.tasks.items()} == {
        "findings": "multilabel", "age": "regression", "ward": "multiclass",
    }  # fmt: skip
    assert "# left out: 'note', 300 different values" in text
    assert "300 of its 300 values looked at are images" in text
    assert (experiment.tuning.trials, experiment.tuning.timeout) == ("auto", None)
    assert experiment.training.epochs is None
    rows = prepared(drawn, experiment)["sources"]["scans"]["rows"]
    assert sum(rows.values()) == 300


def test_every_setting_of_the_source_and_every_task_is_explained(drawn: Path) -> None:
    text, _ = drafted(drawn, label_file(drawn))
    guessed = [
        line for line in text.splitlines() if line.startswith(("    id", "    group", "    channels", "    size"))
    ]
    guessed += [line for line in text.splitlines() if "source: scans" in line]
    assert len(guessed) == 7
    assert all("  # " in line for line in guessed)
    assert max(map(len, text.splitlines())) < 160


def test_targets_say_what_to_predict(drawn: Path) -> None:
    text, experiment = drafted(drawn, label_file(drawn), {"ward": "multiclass", "mass": "binary"})
    assert {name: task.kind for name, task in experiment.tasks.items()} == {"ward": "multiclass", "mass": "binary"}
    assert "# left out: 'nodule', not in --targets" in text
    prepared(drawn, experiment)


def test_a_target_that_is_no_column_names_the_columns_of_0_and_1(drawn: Path) -> None:
    _, experiment = drafted(drawn, label_file(drawn), {"signs": "multilabel", "age": "regression"})
    assert experiment.sources["scans"].labels == {"signs": ("mass", "nodule")}
    assert list(experiment.tasks) == ["signs", "age"]


def test_words_in_one_column_become_labels_and_the_word_for_none_is_found(drawn: Path) -> None:
    words = ["mass|nodule", "No Finding", "mass", "cyst"]
    lines = [f"{row},{words[row % 4]}" for row in range(60)]
    (drawn / "labels.csv").write_text("\n".join(["Image Index,Finding Labels", *lines]) + "\n")
    _, experiment = drafted(drawn, drawn / "labels.csv")
    assert experiment.sources["scans"].labels["Finding Labels"].none == "No Finding"
    assert experiment.tasks["Finding_Labels"].label == "Finding Labels"
    manifest = prepared(drawn, experiment)
    assert manifest["tasks"]["Finding_Labels"]["classes"] == ["cyst", "mass", "nodule"]


def test_a_column_of_splits_is_kept(drawn: Path) -> None:
    lines = [f"{row}.png,{'ab'[row % 2]},{('train', 'val', 'test')[row // 2 % 3]}" for row in range(60)]
    (drawn / "labels.csv").write_text("\n".join(["file,kind,subset", *lines]) + "\n")
    _, experiment = drafted(drawn, drawn / "labels.csv")
    assert experiment.sources["scans"].split == "subset"
    assert list(experiment.tasks) == ["kind"]
    assert prepared(drawn, experiment)["sources"]["scans"]["rows"] == {"train": 20, "validation": 20, "test": 20}


def test_without_labels_folders_are_classes(project: Path) -> None:
    draw(project / "scans", [f"{kind}/{row}.png" for kind in ("cat", "dog") for row in range(30)])
    text, experiment = drafted(project, None)
    assert experiment.tasks["class"].kind == "binary"
    assert experiment.sources["scans"].channels == "rgb"
    assert "the 2 folders in scans" in text
    assert prepared(project, experiment)["tasks"]["class"]["classes"] == ["cat", "dog"]
    assert "without --labels there is one, 'class'" in refused(project, None, {"x": "binary"})


def test_what_folders_do_not_say_is_said(project: Path) -> None:
    draw(project / "scans", [f"data/{kind}/{row}.png" for kind in ("cat", "dog") for row in range(3)])
    assert "one folder with images, 'data', is one class" in refused(project, None)
    draw(project / "scans", [f"plants/{row}.png" for row in range(3)])
    text, _ = drafted(project, None)
    assert "left out: the names of 2 folders within those of the classes (data/cat, data/dog)" in text.replace("'", "")
    draw(project / "flat", [f"{row}.png" for row in range(3)])
    (project / "flat" / "labels.csv").write_text(
        "file,mass\n" + "".join(f"flat/{row}.png,{row % 2}\n" for row in range(3))
    )
    with pytest.raises(UserError, match=r"if .*flat/labels\.csv has the labels, name it"):
        draft_images(project / "flat", None, {}, "flat", project)
    (project / "flat" / "labels.csv").rename(project / "labels.csv")
    assert "id: file " in draft_images(project / "flat", project / "labels.csv", {}, "flat", project)


@pytest.mark.parametrize(("sizes", "size"), [([(90, 200)], (29, 64)), ([(10, 8), (10, 8), (9, 9)], (10, 8))])
def test_images_that_are_large_or_differ_are_resized(project: Path, sizes: Any, size: tuple[int, int]) -> None:
    for row in range(30):
        folder = project / "scans" / "ab"[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        height, width = sizes[row % len(sizes)]
        Image.fromarray(np.full((height, width), row, np.uint8)).save(folder / f"{row}.png")
    _, experiment = drafted(project, None)
    assert experiment.sources["scans"].size == size
    assert prepared(project, experiment)["sources"]["scans"]["shape"] == list(size)


def test_files_outside_the_project_are_named_whole(drawn: Path, tmp_path: Path) -> None:
    labels = label_file(drawn).rename(tmp_path / "labels.csv")
    _, experiment = drafted(drawn, labels)
    assert experiment.sources["scans"].labels_file == str(tmp_path / "labels.csv")
    prepared(drawn, experiment)


def test_what_cannot_be_drafted_is_one_line(drawn: Path) -> None:
    labels = label_file(drawn)
    assert refused(drawn, labels, {"wart": "binary"}).startswith("--targets: no column 'wart'; the columns are mass,")
    assert "'clas' of 'ward' is no kind of task; they are multiclass," in refused(drawn, labels, {"ward": "clas"})
    labels.write_text("file,mass\n" + "".join(f"x{row},{row % 2}\n" for row in range(10)))
    assert "no column names an image in" in refused(drawn, labels)
    labels.write_text("file\n1.png\n")
    assert "no column looks like a label: name them with --targets COLUMN:KIND" in refused(drawn, labels)
    labels.write_text("file,mass\n")
    assert refused(drawn, labels).endswith("labels.csv: no rows")
    with pytest.raises(UserError, match="no such folder"):
        draft_images(drawn / "x", None, {}, "x", drawn)


def test_headway_init_drafts_images(drawn: Path, headway: Any) -> None:
    label_file(drawn)
    told = headway("init", "scans", "--labels", "labels.csv", "--targets", "signs:multilabel,ward")
    assert told.code == 0, told
    experiment = load("scans", {}, drawn)
    assert experiment.sources["scans"].labels == {"signs": ("mass", "nodule")}
    assert {name: task.kind for name, task in experiment.tasks.items()} == {"signs": "multilabel", "ward": "multiclass"}
    wrong = headway("init", "scans", "--labels", "labels.csv", "--name", "b", "--targets", "a=mass+nodule")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "--targets a=...: only the columns of a table can be put together" in wrong.err


def test_headway_init_drafts_folders_of_classes(project: Path, headway: Any) -> None:
    draw(project / "scans", [f"{kind}/{row}.png" for kind in ("cat", "dog") for row in range(5)])
    told = headway("init", "scans", "--name", "pets")
    assert told.code == 0, told
    assert load("pets", {}, project).tasks["class"].kind == "binary"


def test_a_draft_names_classes_behind_links_and_what_is_left_out(project: Path, headway: Any) -> None:
    draw(project / "scans", [f"{kind}/{row}.pgm" for kind in ("cat", "owl") for row in range(5)], channels=1)
    draw(project / "dogs", [f"{row}.JFIF" for row in range(6)])
    (project / "scans" / "dog").symlink_to("../dogs")
    (project / "scans" / "bird").mkdir()
    (project / "scans" / "cat" / "a.heic").touch()
    told = headway("init", "scans", "--name", "pets")
    assert "# Drafted from 16 images in scans." in told.out
    assert "the 3 folders in scans: dog 6, cat 5, owl 5\n" in told.out
    left_out = "left out of scans: folder without an image: 1 ('bird'); no image, .heic: 1 ('cat/a.heic')"
    assert f"\n  # {left_out}\n" in told.out
    shown = headway("prepare", "pets", "--set", "sources.pets.size=[4,3]")
    assert f"  pets: {left_out}\n" in shown.out
