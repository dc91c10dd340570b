"""The test that a draft writes is what `auto` comes to when the data are prepared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.sources import Place
from pipeline.drafts.images import draft_images
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.drafts.text import draft_text

ROWS = 120
DRAWS = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "x": DRAWS.normal(size=ROWS),
        "y": DRAWS.normal(size=ROWS),
        "sort": np.arange(ROWS) % 3,
        "price": DRAWS.normal(size=ROWS),
    }
).assign(sort=lambda it: it["sort"].map(dict(enumerate(["ada", "bob", "cyd"]))))
FOLDS = {"folds": 5, "repeats": 2}


def drafted(folder: Path, frame: pd.DataFrame) -> dict[str, Any]:
    """The draft of a table, and that `auto` comes to what it says, which can be had."""
    frame.to_csv(folder / "it.csv", index=False)
    return agrees(folder, draft_table(folder / "it.csv", parse("sort,price"), "it", folder))


def agrees(folder: Path, text: str) -> dict[str, Any]:
    (folder / "it.yaml").write_text(text)
    said: dict[str, Any] = yaml.safe_load(text)
    written = said.get("data", {}).get("test")
    for name, values in (("auto", {"data.test": "auto"}), ("written", {})):
        (folder / name).mkdir()
        experiment = load(str(folder / "it.yaml"), values, folder)
        found = prepare(experiment, Place("sample", folder, None, folder, folder), folder / name, lambda line: None)
        outer = found.get("outer")
        folds = {it: outer[it] for it in ("folds", "repeats")} if outer else None
        assert folds == (written if isinstance(written, dict) else None)
    return said


def test_every_row_of_a_small_table_tests(tmp_path: Path) -> None:
    assert drafted(tmp_path, FRAME)["data"] == {"test": FOLDS}
    line = "  test: {folds: 5, repeats: 2}              # every row is tested twice, by networks that never saw it\n"
    assert line in (tmp_path / "it.yaml").read_text()


def test_a_table_of_many_rows_has_a_share_that_tests(tmp_path: Path) -> None:
    frame = pd.concat([FRAME] * 42, ignore_index=True).assign(x=lambda it: np.arange(len(it)) / 7)
    assert drafted(tmp_path, frame)["data"] == {"test": 0.2}
    assert "# the share of 5,040 rows that tests, once" in (tmp_path / "it.yaml").read_text()


def test_a_test_that_the_table_gives_is_kept(tmp_path: Path) -> None:
    split = FRAME.assign(split=np.where(np.arange(ROWS) < 90, "train", "test"))
    assert "data" not in drafted(tmp_path, split)


def test_rows_in_order_of_time_are_tested_by_the_latest(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    said = drafted(tmp_path, FRAME.assign(day=days))
    assert said["sources"]["it"]["time"] == "day"
    assert "data" not in said


@pytest.mark.parametrize(("rows", "folds"), [(4, 4), (3, 3), (1, 3)])
def test_a_rare_class_makes_fewer_folds_but_three(rows: int, folds: int, tmp_path: Path) -> None:
    rare = FRAME.assign(sort=["dot"] * rows + FRAME["sort"].tolist()[rows:])
    assert drafted(tmp_path, rare)["data"] == {"test": {"folds": folds, "repeats": 2}}
    has = f"source 'it' has {rows} row{'' if rows == 1 else 's'} of class 'dot' of label 'sort'"
    line = f"  # {folds} folds instead of 5: {has}\n"
    assert line in (tmp_path / "it.yaml").read_text()


def test_hardly_any_rows_have_one_split(tmp_path: Path) -> None:
    few = pd.concat([FRAME[:11]]).assign(sort=[*["ada", "bob"] * 5, "ada"])
    few.to_csv(tmp_path / "it.csv", index=False)
    said = yaml.safe_load(draft_table(tmp_path / "it.csv", parse("sort:binary"), "it", tmp_path))
    assert said["data"] == {"test": 0.2}


def test_texts_name_no_number_of_seeds_where_every_row_tests(tmp_path: Path) -> None:
    lines = [
        json.dumps({"text": f"number {row} is {DRAWS.integers(1000)} of them", "mood": ["sad", "glad"][row % 2]})
        for row in range(ROWS)
    ]
    (tmp_path / "it.jsonl").write_text("\n".join(lines))
    said = agrees(tmp_path, draft_text(tmp_path / "it.jsonl", {}, "it", tmp_path))
    assert said["data"] == {"test": FOLDS}
    assert "training" not in said


def test_a_rare_one_of_several_labels_makes_fewer_folds(tmp_path: Path) -> None:
    topics = ["art|law", "art", "law|rare", "law"]
    lines = [
        json.dumps(
            {"text": f"number {row} is {DRAWS.integers(1000)}", "topics": topics[row % 4 if row < 16 else row % 2]}
        )
        for row in range(ROWS)
    ]
    (tmp_path / "it.jsonl").write_text("\n".join(lines))
    said = agrees(tmp_path, draft_text(tmp_path / "it.jsonl", {"topics": "multilabel"}, "it", tmp_path))
    assert said["data"] == {"test": {"folds": 4, "repeats": 2}}


def test_sentences_have_a_test_too(tmp_path: Path) -> None:
    words = "".join(f"w{row}\tB-PER\nis{row}\tO\n\n" for row in range(40))
    (tmp_path / "it.conll").write_text(words)
    assert agrees(tmp_path, draft_text(tmp_path / "it.conll", {}, "it", tmp_path))["data"] == {"test": FOLDS}


def test_images_of_few_patients_are_cut_by_patient(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    lines = ["image,ill,patient"]
    for row in range(48):
        Image.fromarray(DRAWS.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / "scans" / f"{row}.png")
        lines.append(f"{row}.png,{row % 2},{row // 12}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    said = agrees(tmp_path, draft_images(tmp_path / "scans", tmp_path / "labels.csv", {}, "it", tmp_path))
    assert said["sources"]["it"]["group"] == "patient"
    assert said["data"]["test"] == {"folds": 4, "repeats": 1}
