"""From a folder of images of different size and a file of labels to a champion that scores such a folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from pipeline.data.prepared import open_prepared
from pipeline.drafts.images import draft_images
from tests.conftest import Result, call_headway, make_project

ONE_SPLIT = ("--set", "data.test=0.2")
SMALL = (
    *ONE_SPLIT,
    "--set", "training.epochs=4", "--set", "training.seeds=2", "--set", "model.trunk.widths=[16]",
    "--set", "tuning.trials=2", "--set", "tuning.batch=2", "--set", "sources.scans.size=[8,8]",
)  # fmt: skip


def draw_scans(project: Path, rows: int = 240) -> None:
    """Coloured JPEGs: whether the red and the green are bright are two labels, how bright the blue is a number."""
    rng = np.random.default_rng(0)
    (project / "scans").mkdir()
    lines = ["image,red,green,blue"]
    for row in range(rows):
        red, green, blue = rng.integers(0, 2), rng.integers(0, 2), int(rng.integers(0, 200))
        side = 10 + row % 7
        pixels = np.full((side, side + 3, 3), (60 + 150 * red, 60 + 150 * green, blue), np.int16)
        pixels += rng.integers(0, 30, pixels.shape, np.int16)
        Image.fromarray(pixels.astype(np.uint8)).save(project / "scans" / f"{row:04}.jpg", quality=95)
        lines.append(f"{row:04},{red},{green},{'' if row % 9 == 0 else blue}")
    (project / "labels.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in which the drafted experiment ran once."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("images") / "project", patch)
        draw_scans(project)
        text = draft_images(project / "scans", project / "labels.csv", {}, "scans", project)
        (project / "experiments" / "scans.yaml").write_text(text)
        yield project, call_headway("run", "scans", *SMALL, "--json")


def test_a_drafted_experiment_runs_to_the_end(finished: tuple[Path, Result]) -> None:
    _, result = finished
    assert (result.code, result.err) == (0, "")
    told = call_headway("show", "scans", *SMALL, "--data", "--json").json
    assert told["sources"]["scans"]["shape"] == [3, 8, 8]
    assert {name: task["kind"] for name, task in told["tasks"].items()} == {
        "findings": "multilabel", "blue": "regression",
    }  # fmt: skip


def test_the_champion_scores_a_folder_as_it_was_trained(finished: tuple[Path, Result], tmp_path: Path) -> None:
    project, result = finished
    words = ["--input", str(project / "scans"), "--output", str(tmp_path / "scored.csv")]
    assert call_headway("predict", "--model", result.json["model"], *words).code == 0
    scored = pd.read_csv(tmp_path / "scored.csv")
    labels = pd.read_csv(project / "labels.csv", dtype={"image": str})
    assert list(scored["file"]) == [f"{name}.jpg" for name in labels["image"]]
    assert (scored["findings/label/red"] == labels["red"]).mean() > 0.8
    assert (scored["findings/label/green"] == labels["green"]).mean() > 0.8
    (folder,) = (path for path in (project / ".headway" / "prepared").iterdir() if path.is_dir())
    rows = np.concatenate([open_prepared(folder).split(name).inputs["scans"] for name in ("train", "validation")])
    table = pd.DataFrame(rows, columns=[f"pixel_{index}" for index in range(192)])
    table.to_parquet(tmp_path / "rows.parquet")
    words = ["--input", str(tmp_path / "rows.parquet"), "--output", str(tmp_path / "again.csv")]
    assert call_headway("predict", "--model", result.json["model"], *words).code == 0
    again = pd.read_csv(tmp_path / "again.csv")
    values = [set(frame["blue/value"].round(3)) for frame in (scored, again)]
    assert values[1] <= values[0]


def test_a_broken_image_ends_a_prediction_in_one_line(finished: tuple[Path, Result], tmp_path: Path) -> None:
    _, result = finished
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    words = ["--input", str(tmp_path), "--output", str(tmp_path / "scored.csv")]
    told = call_headway("predict", "--model", result.json["model"], *words)
    assert told.code == 2
    assert "b.png: no image" in told.err
    assert not (tmp_path / "scored.csv").exists()


def test_an_image_that_changes_prepares_anew_and_says_so(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    assert "prepare: cached" in call_headway("prepare", "scans", *SMALL).out
    Image.new("RGB", (12, 12)).save(project / "scans" / "0000.jpg")
    assert "data / scans / images" in call_headway("why", "prepare", "scans", *SMALL).out
    (project / "scans" / "0001.jpg").write_bytes(b"no image")
    told = call_headway("prepare", "scans", *SMALL)
    assert told.code == 2
    assert "labels.csv: row 2: " in told.err
    assert "0001.jpg: no image" in told.err


def test_photographs_on_their_side_are_learnt_and_answered_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bright above or bright at the left, half of them stored turned: without the orientation they are the same."""
    project = make_project(tmp_path / "project", monkeypatch)
    rng = np.random.default_rng(0)
    for row in range(80):
        kind, turned = ("top", "left")[row % 2], row // 2 % 2
        pixels = rng.integers(0, 60, (12, 8, 3), np.uint8)
        pixels[: 6 if kind == "top" else 12, : 8 if kind == "top" else 4] += 150
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6 if turned else 1  # to be turned clockwise
        (project / "photos" / kind).mkdir(parents=True, exist_ok=True)
        stored = np.ascontiguousarray(np.rot90(pixels) if turned else pixels)
        Image.fromarray(stored).save(project / "photos" / kind / f"{row}.jpg", quality=95, exif=exif)
    assert "# the images looked at all have 12 x 8 pixels" in call_headway("init", "photos").out
    words = [
        "--set",
        "data.test=0.2",
        "--set",
        "training.epochs=30",
        "--set",
        "training.seeds=1",
        "--set",
        "tuning=null",
    ]
    result = call_headway("run", "photos", *words, "--set", "model.trunk.widths=[16]", "--json")
    assert (result.code, result.err) == (0, "")
    scored = ["--input", str(project / "photos"), "--output", str(tmp_path / "scored.csv")]
    assert call_headway("predict", "--model", result.json["model"], *scored).code == 0
    answers = pd.read_csv(tmp_path / "scored.csv")
    assert (answers["class/class"] == answers["file"].str.split("/").str[0]).all()
