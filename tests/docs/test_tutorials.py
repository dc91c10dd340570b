"""The tutorials, and the commands of README on a table of one's own, run as they stand there."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.docs.pages import DOCS, blocks_of, run_script

TUTORIALS = DOCS / "tutorials"
FEW = "--set tuning.trials=10 --set training.seeds=2"


def commands(page: Path) -> str:
    """The shell blocks of a page in their order, without those that set up."""
    return "\n".join(it for it in blocks_of(page, "sh") if "make " not in it)


def answers(said: str) -> list[dict[str, object]]:
    """What a server answered last."""
    found: list[dict[str, object]] = json.loads(re.findall(r"\{\"predictions.*?\]\}", said)[-1])["predictions"]
    return found


@pytest.mark.slow
def test_the_first_job(project: Path) -> None:
    script = commands(TUTORIALS / "first_job.md").replace("headway run digits", f"headway run digits {FEW}")
    said = run_script(script, project)
    assert "reports/digits/report.html" in said
    scored = pd.read_csv(project / "answers.csv")
    assert (scored["digit/class"].iloc[:10] == list(range(10))).mean() >= 0.9  # the set begins with 0 to 9
    first, second = answers(said)
    assert (first["digit/class"], second["parity/class"]) == ("0", "odd")


@pytest.mark.slow
def test_a_table(project: Path) -> None:
    run_script(commands(TUTORIALS / "table.md"), project)
    wine, scored, folds = (pd.read_csv(project / f"{name}.csv") for name in ("wine", "scored", "folds"))
    assert (folds["cultivar/class"] == wine["cultivar"]).mean() > 0.9
    assert np.corrcoef(scored["alcohol/value"], wine["alcohol"])[0, 1] > 0.6
    draft = (project / "experiments" / "wine.yaml").read_text(encoding="utf-8")
    (shown,) = blocks_of(TUTORIALS / "table.md", "yaml")
    assert [line for line in shown.splitlines() if line not in draft.splitlines()] == []


@pytest.mark.slow
def test_images(project: Path) -> None:
    run_script(commands(TUTORIALS / "images.md"), project)
    labels = pd.read_csv(project / "labels.csv").set_index("file")
    scored = pd.read_csv(project / "scored.csv").set_index("file")
    assert (scored["digit/class"] == labels["digit"].reindex(scored.index)).mean() > 0.9
    assert (project / "reports" / "pictures" / "explain.html").exists()


@pytest.mark.slow
def test_texts(project: Path) -> None:
    run_script(commands(TUTORIALS / "text.md"), project)
    posts = pd.read_json(project / "posts.jsonl", lines=True)
    scored = pd.read_csv(project / "scored.csv")
    assert (scored["mood/class"] == posts["mood"]).mean() > 0.9


@pytest.mark.slow
def test_readme_leads_from_a_table_to_a_served_answer(project: Path) -> None:
    draws = np.random.default_rng(0)
    rooms, area = draws.integers(1, 8, 240), draws.normal(80, 20, 240).round(1)
    price = (area * 3 + rooms * 10 + draws.normal(size=240)).round(2)
    table = pd.DataFrame({"rooms": rooms, "area": area, "price": price, "sold": (price < 280).astype(int)})
    table.to_csv(project / "my.csv", index=False)
    table[["rooms", "area"]].head(7).to_csv(project / "new.csv", index=False)
    (block,) = [it for it in blocks_of(REPOSITORY / "README.md", "sh") if "headway init my.csv" in it]
    script = block.replace(". .venv/bin/activate\n", "").replace("headway run my ", "headway run my --set tuning=null ")
    said = run_script(script, project)
    scored = pd.read_csv(project / "scored.csv")
    assert len(scored) == len(answers(said)) == 7
    assert np.abs(scored["price/value"] - price[:7]).max() < 40


@pytest.mark.slow
def test_readme_leads_from_a_new_project_to_predictions(tmp_path: Path) -> None:
    (block,) = [it for it in blocks_of(REPOSITORY / "README.md", "sh") if "headway new" in it]
    lines = [line for line in block.splitlines() if not line.startswith("pip")]  # see tests/headway/test_wheel.py
    run_script("\n".join(lines).replace("headway run people", "headway run people --set tuning=null"), tmp_path)
    scored = pd.read_csv(tmp_path / "houses" / "scored.csv")
    assert len(scored) == 2_000
    assert (scored["income/class"].astype(str) == scored["income"].astype(str)).mean() > 0.7
