"""Tables of any names and values: drafts, prepared arrays and answers."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.sources.base import Place
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.drafts.writing import flow
from pipeline.errors import UserError
from tests.conftest import call_headway, make_project
from tests.data.files import quiet
from tests.properties.made import FORMATS, quoted, tables

FAST = (
    "--set", "data.test=0.2",
    "--set", "training.epochs=1", "--set", "training.seeds=1", "--set", "tuning=null", "--quiet",
)  # fmt: skip


@given(tables(), st.sampled_from(sorted(FORMATS)))
def test_a_draft_parses_back_to_the_names_of_the_file(made: tuple[pd.DataFrame, str], kind: str) -> None:
    frame, target = made
    with TemporaryDirectory() as folder:
        file = Path(folder, f"it.{kind}")
        FORMATS[kind](frame, file)
        try:
            text = draft_table(file, parse(f"{quoted(target)}:multiclass"), "it", Path(folder))
        except UserError as error:
            if "no column is left to predict from" in str(error):
                return
            raise
        Path(folder, "it.yaml").write_text(text, encoding="utf-8")
        experiment = load(str(Path(folder, "it.yaml")), {}, Path(folder))
    assert set(experiment.sources["it"].inputs) <= {*frame} - {target}
    ((name, task),) = experiment.tasks.items()
    assert (task.label or name) == target


@given(tables())
def test_formats_are_prepared_alike(made: tuple[pd.DataFrame, str]) -> None:
    frame, target = made
    found = {}
    for kind, write in FORMATS.items():
        with TemporaryDirectory() as folder:
            file = Path(folder, f"it.{kind}")
            write(frame, file)
            found[kind] = _prepared(Path(folder), file.name, frame, target)
    assert found["csv"] == found["tsv"] == found["parquet"] == found["jsonl"]


def _prepared(folder: Path, file: str, frame: pd.DataFrame, target: str) -> Any:
    """The manifest with the checksums of all arrays; what was said where it is refused."""
    inputs = {name: "numeric" if pd.api.types.is_float_dtype(frame[name]) else "categorical" for name in frame}
    tree = {
        "name": "it",
        "sources": {"it": {"kind": "table", "path": file, "inputs": {k: v for k, v in inputs.items() if k != target}}},
        "tasks": {"task": {"kind": "multiclass", "source": "it", "label": target}},
        "model": {"trunk": {"kind": "tabular", "widths": [8]}},
    }
    (folder / "it.yaml").write_text(flow(tree), encoding="utf-8")
    (out := folder / "out").mkdir()
    experiment = load(str(folder / "it.yaml"), {}, folder)
    try:
        manifest = prepare(experiment, Place("full", folder, None, folder, folder), out, quiet)
    except UserError as error:
        return str(error).replace(file, "FILE").replace(str(folder), "FOLDER")
    for source in manifest["sources"].values():
        source["encoding"].pop("separator", None)
    return manifest


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield make_project(tmp_path_factory.mktemp("properties") / "project", patch)


@settings(max_examples=max(2, settings.default.max_examples // 10) if settings.default.max_examples < 500 else 500)
@given(tables(), st.sampled_from(sorted(FORMATS)), st.randoms(use_true_random=False))
def test_a_job_ends_well_or_in_one_line(project: Path, made: tuple[pd.DataFrame, str], kind: str, order: Any) -> None:
    frame, target = made
    name = f"it{len([*project.glob('experiments/it*.yaml')])}"
    FORMATS[kind](frame, project / f"it.{kind}")
    for step in (
        ("init", f"it.{kind}", "--targets", f"{quoted(target)}:multiclass", "--name", name),
        ("run", name, *FAST),
    ):
        result = call_headway(*step)
        assert result.code in (0, 1, 2), result.err
        assert "Traceback" not in result.err
        if result.code:
            assert len(result.err.strip().splitlines()) == 1, result.err
            return
    rows = list(range(len(frame)))
    order.shuffle(rows)
    answers = []
    for number, (other, write) in enumerate(FORMATS.items()):
        asked = frame.iloc[rows] if number else frame
        write(asked, project / f"asked.{other}")
        result = call_headway(
            "predict", "--model", f"models:/{name}@champion", "--input", f"asked.{other}", "--output", "out.parquet"
        )
        assert result.code == 0, result.err
        found = pd.read_parquet("out.parquet")
        answers.append(found.iloc[np.argsort(rows)].reset_index(drop=True) if number else found)
    for own in answers[1:]:
        pd.testing.assert_frame_equal(answers[0], own, check_exact=True)
    numbers = answers[0].select_dtypes("number").to_numpy()
    assert np.isfinite(numbers).all()
    (said,) = [answers[0][name] for name in answers[0] if name.endswith("/class")]
    assert {*said} <= {*frame[target]}
