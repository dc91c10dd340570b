"""Tables of one's own, from a file on disk to prepared arrays."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.config import Experiment
from pipeline.data.leaks import suspicions
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared, open_split
from pipeline.data.sources import Place, source
from pipeline.data.sources.labels import ClassReader
from pipeline.data.tables.records import open_records
from pipeline.errors import UserError
from pipeline.serving.rows import Rows as SourceRows
from pipeline.serving.specification import SourceSpec

from .files import quiet

ROWS = 400
DRAWS = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "id": np.arange(ROWS),
        "town": DRAWS.choice(["Bern", "Oslo", "Lima"], ROWS),
        "area": DRAWS.normal(100, 20, ROWS),
        "rooms": DRAWS.integers(1, 6, ROWS),
        "seller": [f"s{it}" for it in DRAWS.integers(0, 40, ROWS)],
        "day": pd.date_range("2024-01-01", periods=ROWS // 4).repeat(4).strftime("%Y-%m-%d"),
        "price": DRAWS.normal(300, 50, ROWS).round(2),
        "sold": DRAWS.choice(["no", "yes"], ROWS),
        "grade": DRAWS.integers(8, 12, ROWS),
        "old": DRAWS.integers(0, 2, ROWS),
        "quiet": DRAWS.integers(0, 2, ROWS),
    }
)
FRAME.loc[::7, "area"] = np.nan
FRAME.loc[::9, "town"] = None
FRAME.loc[::5, "price"] = np.nan
INPUTS = {"town": "categorical", "area": "numeric", "rooms": "numeric"}
TASKS = {
    "price": {"kind": "regression", "source": "houses"},
    "sold": {"kind": "binary", "source": "houses"},
    "level": {"kind": "multiclass", "source": "houses", "label": "grade"},
    "marks": {"kind": "multilabel", "source": "houses"},
}


def written(folder: Path, frame: pd.DataFrame = FRAME, name: str = "houses.csv") -> Path:
    path = folder / name
    frame.to_parquet(path, index=False) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def said(path: str = "houses.csv", tasks: dict[str, Any] | None = None, **own: Any) -> Experiment:
    table = {"kind": "table", "path": path, "inputs": INPUTS, "labels": {"marks": ["old", "quiet"]}} | own
    return Experiment.model_validate(
        {"name": "toy", "sources": {"houses": table}, "tasks": tasks or TASKS, "data": {"test": 0.2}}
    )


def prepared(folder: Path, experiment: Experiment, out: str = "out") -> Prepared:
    (folder / out).mkdir()
    prepare(experiment, Place("sample", folder, None, folder, folder), folder / out, quiet)
    return open_prepared(folder / out)


def refused(folder: Path, experiment: Experiment) -> str:
    with pytest.raises(UserError) as error:
        prepared(folder, experiment)
    assert "\n" not in str(error.value)
    assert not (folder / "out" / "manifest.json").exists()
    return str(error.value)


def rows_of(data: Prepared, split: str, column: str = "area") -> pd.DataFrame:
    """The rows of the frame that a split holds, found by what was encoded of a column that is another in each."""
    about = next(it for it in data.sources["houses"].encoding["columns"] if it["name"] == column)
    values = open_split(data, split).inputs["houses"][:, 0] * about["std"] + about["mean"]
    return FRAME.iloc[[int(np.nanargmin(np.abs(FRAME[column] - value))) for value in values]]


def test_labels_and_inputs_of_every_kind_are_those_of_the_table(tmp_path: Path) -> None:
    written(tmp_path)
    data = prepared(tmp_path, said())
    about = data.sources["houses"]
    assert (about.shape, about.categories) == ((4,), (4,))  # two numbers, one with gaps, and three towns and none
    assert about.rows == {"train": 288, "validation": 32, "test": 80}
    assert data.tasks["sold"].classes == ("no", "yes")
    assert data.tasks["level"].classes == ("8", "9", "10", "11")  # by size, not by letters
    assert data.tasks["marks"].classes == ("old", "quiet")
    total = sum(np.array(data.tasks["level"].counts[split]) for split in about.rows)
    assert total.tolist() == FRAME["grade"].value_counts().sort_index().tolist()
    known = sum(data.tasks["price"].labelled[split][0] for split in about.rows)
    assert known == FRAME["price"].notna().sum()
    split = open_split(data, "train")
    missing = split.inputs["houses"][:, 2] == 1
    own = rows_of(data, "train")[~missing]
    towns = [None, *about.encoding["columns"][0]["values"]]
    read = pd.Series([towns[int(code)] for code in split.inputs["houses"][~missing, 3]], dtype=object)
    assert read.fillna("none").tolist() == own["town"].fillna("none").tolist()
    assert (split.labels["sold"][~missing] == (own["sold"] == "yes")).all()
    stored = split.labels["price"] * data.tasks["price"].std + data.tasks["price"].mean
    np.testing.assert_allclose(stored[~missing], own["price"], rtol=1e-5)


def test_inputs_by_pattern_are_those_that_are_listed(tmp_path: Path) -> None:
    written(tmp_path)
    listed = prepared(tmp_path, said(), "listed")
    experiment = said(inputs={"*": "auto"}, exclude=["id", "seller", "day"])
    by_pattern = prepared(tmp_path, experiment, "pattern")
    assert by_pattern.sources["houses"].encoding == listed.sources["houses"].encoding
    for split in ("train", "test"):
        one, two = (open_split(it, split).inputs["houses"] for it in (listed, by_pattern))
        np.testing.assert_array_equal(one, two)


def test_statistics_come_from_the_training_rows_alone(tmp_path: Path) -> None:
    frame = FRAME.assign(split=["train"] * 300 + ["test"] * 100)
    frame.loc[300:, ["area", "rooms"]] = 1e6
    frame.loc[300:, "town"] = "elsewhere"
    written(tmp_path, frame)
    data = prepared(tmp_path, said(split="split"))
    assert data.sources["houses"].rows["test"] == 100
    own = {it["name"]: it for it in data.sources["houses"].encoding["columns"]}
    # Validation was cut from train, so the mean is over some of its rows.
    assert 90 < own["area"]["mean"] < 110
    assert own["area"]["std"] < 30
    assert own["town"]["values"] == ["Bern", "Lima", "Oslo"]
    assert (open_split(data, "test").inputs["houses"][:, -1] == 0).all()


def test_numbers_are_standardised_and_gaps_become_the_mean_with_a_mark(tmp_path: Path) -> None:
    written(tmp_path)
    data = prepared(tmp_path, said())
    rows = open_split(data, "train").inputs["houses"]
    there = rows[:, 2] == 0
    assert rows[there, 0].mean() == pytest.approx(0.0, abs=1e-6)
    assert rows[there, 0].std() == pytest.approx(1.0, abs=1e-6)
    assert (rows[~there, 0] == 0).all()
    assert 0 < (~there).sum() < len(rows)
    assert rows[:, 1].std() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv", "parquet", "folder", "parts"])
def test_every_form_of_a_table_prepares_to_the_same_arrays(form: str, tmp_path: Path) -> None:
    written(tmp_path)
    wanted = prepared(tmp_path, said(), "wanted")
    path = tmp_path / f"other.{form}"
    if form == "folder":
        for part in range(4):
            (path / f"part={part}").mkdir(parents=True)
            FRAME[part * 100 : (part + 1) * 100].to_parquet(path / f"part={part}" / "a.parquet", index=False)
    elif form == "parts":
        path.mkdir()
        for part in range(4):
            FRAME[part * 100 : (part + 1) * 100].to_parquet(path / f"{part}.parquet", index=False, row_group_size=30)
    elif form == "parquet":
        FRAME.to_parquet(path, index=False)
    else:
        FRAME.to_csv(path, index=False, sep="\t" if form == "tsv" else ",")
    found = prepared(tmp_path, said(path.name), "found")
    for split in ("train", "validation", "test"):
        one, two = open_split(wanted, split), open_split(found, split)
        np.testing.assert_array_equal(one.inputs["houses"], two.inputs["houses"])
        for task in TASKS:
            np.testing.assert_array_equal(one.labels[task], two.labels[task])


def test_what_the_names_of_folders_say_is_a_column(tmp_path: Path) -> None:
    for year in (2001, 2002):
        (tmp_path / "t" / f"year={year}").mkdir(parents=True)
        FRAME.to_parquet(tmp_path / "t" / f"year={year}" / "a.parquet", index=False)
    data = prepared(tmp_path, said("t", inputs=INPUTS | {"year": "categorical"}))
    assert data.sources["houses"].encoding["columns"][-1]["values"] == ["2001", "2002"]


def test_no_group_is_in_two_splits(tmp_path: Path) -> None:
    frame = FRAME.assign(rooms=FRAME["seller"].str[1:].astype(int))
    written(tmp_path, frame)
    data = prepared(tmp_path, said(group="seller"))
    groups = {split: set(open_split(data, split).inputs["houses"][:, 1]) for split in data.sources["houses"].rows}
    assert sum(len(group) for group in groups.values()) == len(set.union(*groups.values())) == frame["rooms"].nunique()
    assert data.sources["houses"].rows["test"] == pytest.approx(0.2 * ROWS, abs=15)


@pytest.mark.parametrize("column", ["day", "id"])
def test_the_latest_rows_are_the_test_split(column: str, tmp_path: Path) -> None:
    frame = FRAME.assign(when=np.arange(ROWS)).sample(frac=1.0, random_state=0)
    written(tmp_path, frame)
    data = prepared(tmp_path, said(time=column, inputs={"when": "numeric"}, clip=None))
    about = data.sources["houses"].encoding["columns"][0]
    when = {
        split: open_split(data, split).inputs["houses"][:, 0] * about["std"] + about["mean"]
        for split in ("train", "validation", "test")
    }
    assert when["train"].max() < when["validation"].min()
    assert when["validation"].max() < when["test"].min()
    assert len(when["test"]) == 80


def test_given_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    frame = FRAME.assign(part=["train"] * 300 + ["Dev"] * 60 + ["test"] * 40)
    written(tmp_path, frame)
    assert prepared(tmp_path, said(split="part")).sources["houses"].rows == {
        "train": 300,
        "validation": 60,
        "test": 40,
    }


def test_what_means_missing_can_be_said(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "houses.csv", index=False, na_rep="?")
    data = prepared(tmp_path, said(missing=["?"]))
    assert data.sources["houses"].encoding["columns"][0]["values"] == ["Bern", "Lima", "Oslo"]
    assert data.tasks["price"].labelled["test"][0] < 80


def test_rare_values_share_the_code_of_unknown_ones(tmp_path: Path) -> None:
    written(tmp_path)
    data = prepared(tmp_path, said(categories=2))
    assert data.sources["houses"].categories == (3,)
    assert set(open_split(data, "train").inputs["houses"][:, -1]) == {0.0, 1.0, 2.0}


def test_the_key_depends_on_what_the_files_hold_and_not_on_where_they_are(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, name="elsewhere.csv")
    at = Place("sample", tmp_path, None, tmp_path, tmp_path)
    first, second = (source(said(name), "houses").fingerprint(at).checksums for name in ("houses.csv", "elsewhere.csv"))
    assert list(first.values()) == list(second.values())
    written(tmp_path, FRAME[1:])
    assert source(said(), "houses").fingerprint(at).checksums != first


def _with(column: str, row: int, value: Any) -> pd.DataFrame:
    frame = FRAME.astype({column: object})
    frame.loc[row, column] = value
    return frame


WRONG: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "a missing column": (FRAME.drop(columns="area"), {}, "houses.csv: no column 'area'"),
    "a missing label": (FRAME.drop(columns="sold"), {}, "houses.csv: no column 'sold'"),
    "a word among numbers": (_with("area", 41, "big"), {}, "houses.csv: row 42, column 'area': .*'big'"),
    "a word among targets": (_with("price", 7, "dear"), {}, "houses.csv: row 8, column 'price': .*'dear'"),
    "an infinite input": (_with("area", 3, np.inf), {}, "houses.csv: row 4, column 'area': inf is no number to"),
    "an infinite target": (_with("price", 3, -np.inf), {}, "houses.csv: row 4, column 'price': -inf is no number to"),
    "a sentinel of an input": (
        _with("area", 3, 1.7976931348623157e308),
        {},
        r"houses.csv: row 4, column 'area': 1.79769e\+308 is no number to compute with .* list it in `missing`",
    ),
    "a target beyond float32": (_with("price", 3, 1e300), {}, r"houses.csv: row 4, column 'price': 1e\+300 is no"),
    "no 0 or 1": (_with("old", 9, 2), {}, "houses.csv: row 10, column 'old': 2 is neither 0 nor 1"),
    "no split": (FRAME.assign(part="maybe"), {"split": "part"}, "row 1, column 'part': 'maybe' is no split"),
    "a missing group": (_with("seller", 5, None), {"group": "seller"}, "row 6, column 'seller': missing"),
    "no time": (FRAME, {"time": "seller"}, "row 1, column 'seller': 's[0-9]+' is no time that can be ord"),
    "one group": (FRAME.assign(seller="s"), {"group": "seller"}, "has one group only"),
    "no rows": (FRAME[:0], {}, "houses.csv: no rows"),
    "a label that is an input": (
        FRAME,
        {"inputs": INPUTS | {"price": "numeric"}},
        "sources.houses.inputs: 'price' is what a task predicts",
    ),
    "empty columns": (
        FRAME.assign(area=np.nan),
        {"inputs": {"area": "numeric"}},
        "no input has a value in any row of train: 'area' cannot be learnt from",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_one_line_with_file_row_and_column(what: str, tmp_path: Path) -> None:
    frame, own, line = WRONG[what]
    written(tmp_path, frame)
    with pytest.raises(UserError, match=line):
        raise UserError(refused(tmp_path, said(**own)))


def test_other_files_that_are_no_tables_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "bad.csv").write_bytes(FRAME.to_csv(index=False).encode().replace(b"Oslo", b"Z\xfcrich", 1))
    (tmp_path / "twice.csv").write_text(FRAME.to_csv(index=False).replace("rooms", "area", 1))
    (tmp_path / "torn.csv").write_text("town,area,rooms,price,sold,grade,old,quiet\nBern,1,2\n")
    (tmp_path / "no.parquet").write_bytes(b"PAR1 is not enough")
    (tmp_path / "none").mkdir()
    for name, line in {
        "empty.csv": "is empty",
        "bad.csv": "column 'town': not UTF-8",
        "twice.csv": "column 'area' can be neither input nor label: there twice",
        "torn.csv": "row 1: Expected 8 columns, got 3",
        "no.parquet": "cannot be read as Parquet",
        "none": "no Parquet file in this folder",
        "gone.csv": "no such file or folder",
        "it.txt": "no such file or folder",
    }.items():
        for leftover in (tmp_path / "out").glob("*"):
            leftover.unlink()
        if (tmp_path / "out").exists():
            (tmp_path / "out").rmdir()
        with pytest.raises(UserError, match=line):
            raise UserError(refused(tmp_path, said(name)))


def test_files_of_a_folder_that_differ_are_named_with_the_column(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    FRAME.to_parquet(tmp_path / "t" / "a.parquet", index=False)
    FRAME.assign(town=1.5).to_parquet(tmp_path / "t" / "b.parquet", index=False)
    assert "column 'town' can be neither input nor label: string in a.parquet, double in b.parquet" in refused(
        tmp_path, said("t")
    )


def test_a_missing_column_in_one_file_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    FRAME.to_parquet(tmp_path / "t" / "a.parquet", index=False)
    FRAME.drop(columns="rooms").to_parquet(tmp_path / "t" / "b.parquet", index=False)
    assert "column 'rooms' can be neither input nor label: missing in b.parquet" in refused(tmp_path, said("t"))


def test_wrong_types_in_parquet_name_their_row(tmp_path: Path) -> None:
    frame = FRAME.astype({"area": str})
    frame.loc[41, "area"] = "big"
    frame.to_parquet(tmp_path / "houses.parquet", index=False, row_group_size=30)
    assert "houses.parquet: row 42, column 'area': 'big' is no number" in refused(tmp_path, said("houses.parquet"))


def test_one_label_cannot_be_a_number_and_a_class(tmp_path: Path) -> None:
    written(tmp_path)
    tasks = {
        "one": {"kind": "regression", "source": "houses", "label": "grade"},
        "two": {"kind": "multiclass", "source": "houses", "label": "grade"},
    }
    assert "label 'grade' is a number for one task and a class for another" in refused(tmp_path, said(tasks=tasks))


@pytest.mark.parametrize(("count", "kind"), [(32_766, np.int16), (40_000, np.int32)])
def test_a_column_may_have_very_many_classes(count: int, kind: type) -> None:
    reader = ClassReader("word", ["word"])
    words = [f"{place:05}" for place in np.random.default_rng(0).permutation(count)] + [None]
    for start in range(0, len(words), 10_000):
        part = pa.RecordBatch.from_pydict({"word": words[start : start + 10_000]})
        reader.take(Path("t.csv"), start, part)
    labels = reader.labels()
    assert labels.dtype == kind
    assert reader.classes == [f"{place:05}" for place in range(count)]
    assert labels.tolist() == [*(int(word) for word in words if word), -1]


def test_a_multilabel_task_lists_its_columns(tmp_path: Path) -> None:
    written(tmp_path)
    assert "list them under labels.marks" in refused(tmp_path, said(labels={}))


def _outlying() -> pd.DataFrame:
    """The houses, two of them far out, and a column in which one row in 2,000 differs."""
    frame = pd.concat([FRAME] * 10, ignore_index=True)
    frame["area"] = np.random.default_rng(1).normal(100, 20, len(frame))
    frame.loc[[5, 3333], "area"] = (1e7, -1e7)
    return frame.assign(rare=(np.arange(len(frame)) % 2000 == 1).astype(int))


def _clipped(folder: Path, out: str, **own: Any) -> tuple[dict[str, Any], dict[str, np.ndarray], pd.DataFrame]:
    frame = _outlying().assign(split=np.where(np.arange(10 * ROWS) < 3600, "train", "test"))
    frame.loc[frame.index[3000:3600], "split"] = "validation"
    written(folder, frame)
    inputs = {"area": "numeric", "rare": "numeric", "rooms": "numeric"}
    data = prepared(folder, said(split="split", inputs=inputs, **own), out)
    rows = {split: open_split(data, split).inputs["houses"] for split in ("train", "validation", "test")}
    return {it["name"]: it for it in data.sources["houses"].encoding["columns"]}, rows, frame


def test_numbers_of_every_split_are_clipped_to_the_quantiles_of_training(tmp_path: Path) -> None:
    about, rows, frame = _clipped(tmp_path, "out")
    train = frame["area"][frame["split"] == "train"]
    low, high = np.quantile(train, (0.001, 0.999))
    assert about["area"]["clip"] == pytest.approx([low, high], rel=1e-12)
    assert about["area"]["std"] == pytest.approx(train.clip(low, high).std(ddof=0))
    for split, stored in rows.items():
        own = frame["area"][frame["split"] == split].clip(low, high)
        np.testing.assert_allclose(stored[:, 0], (own - about["area"]["mean"]) / about["area"]["std"], atol=1e-5)


def test_a_column_that_would_be_constant_is_clipped_to_the_range_of_training(tmp_path: Path) -> None:
    about, rows, frame = _clipped(tmp_path, "out")
    assert about["rare"]["clip"] == [0.0, 1.0]
    for split, stored in rows.items():
        np.testing.assert_array_equal(stored[:, 1] > 1, frame["rare"][frame["split"] == split] == 1)
    assert about["rooms"]["clip"] == [1.0, 5.0]


@pytest.mark.parametrize("clip", [None, [0.001, 0.999]])
@pytest.mark.parametrize("fee", [[14.62] * 3000, [0.3, 0.1 + 0.2] * 1500])
def test_a_column_that_only_later_changes_says_nothing(fee: list[float], clip: Any, tmp_path: Path) -> None:
    frame = pd.concat([FRAME] * 10, ignore_index=True).assign(split="train", fee=15.0)
    frame.loc[3000:, "split"] = "test"
    frame.loc[:2999, "fee"] = fee
    written(tmp_path, frame)
    data = prepared(tmp_path, said(split="split", inputs={"fee": "numeric"}, clip=clip))
    assert data.sources["houses"].encoding["columns"][0]["std"] == 1.0
    for split in ("train", "validation", "test"):
        assert np.abs(open_split(data, split).inputs["houses"]).max() < 1e-12


def test_a_number_too_large_beside_those_of_training_is_one_line(tmp_path: Path) -> None:
    frame = FRAME.assign(area=1e-30 * np.arange(ROWS), split=["train"] * (ROWS - 9) + ["test"] * 9)
    frame.loc[ROWS - 5, "area"] = -1e38
    written(tmp_path, frame)
    own = said(split="split", inputs={"area": "numeric"}, clip=None)
    where = rf"source 'houses': row {ROWS - 4}, column 'area': -1e\+38 is too large beside what training showed"
    with pytest.raises(UserError, match=where):
        prepared(tmp_path, own)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_listed_sentinel_is_a_gap_and_numbers_of_any_kind_are_finite(ending: str, tmp_path: Path) -> None:
    frame = FRAME.assign(area=np.resize([5e-324, -0.0, 2.0**53 + 2, -(2.0**63), 3e38], ROWS))
    if ending == ".csv":
        frame.loc[7, "area"] = 1.7976931348623157e308
    written(tmp_path, frame, f"houses{ending}")
    inputs = {"area": "numeric"}
    data = prepared(tmp_path, said(f"houses{ending}", inputs=inputs, missing=["1.7976931348623157e+308"]))
    for split in ("train", "validation", "test"):
        assert np.isfinite(open_split(data, split).inputs["houses"]).all()
    assert data.sources["houses"].encoding["columns"][0]["marked"] == (ending == ".csv")


def test_null_clips_nothing(tmp_path: Path) -> None:
    about, rows, frame = _clipped(tmp_path, "out", clip=None)
    assert not any("clip" in column for column in about.values())
    train = frame["area"][frame["split"] == "train"]
    assert about["area"]["mean"] == pytest.approx(train.mean())
    assert about["area"]["std"] == pytest.approx(train.std(ddof=0))
    assert rows["train"][:, 0].max() > 30


@pytest.mark.parametrize(("decimal", "thousands"), [(".", ","), (",", "."), (",", ""), (",", " "), (".", "'")])
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_numbers_are_read_as_the_table_writes_them(ending: str, decimal: str, thousands: str, tmp_path: Path) -> None:
    def text(value: float) -> str:
        if np.isnan(value):
            return ""
        plain = f"{value:,.4f}"
        return plain.replace(",", "T").replace(".", decimal).replace("T", "\u202f" if thousands == " " else thousands)

    frame = FRAME.assign(area=(FRAME["area"] * 1e5).round(4), price=FRAME["price"].round(4))
    folder = tmp_path / "plain"
    folder.mkdir()
    written(folder, frame)
    wanted = prepared(folder, said())
    other = frame.assign(area=frame["area"].map(text), price=frame["price"].map(text))
    path = tmp_path / f"houses{ending}"
    if ending == ".jsonl":
        other.to_json(path, orient="records", lines=True)
    else:
        written(tmp_path, other, path.name)
    found = prepared(tmp_path, said(path.name, decimal=decimal, thousands=thousands))
    for split in ("train", "validation", "test"):
        assert (
            open_split(found, split).inputs["houses"].tobytes() == open_split(wanted, split).inputs["houses"].tobytes()
        )
        assert open_split(found, split).labels["price"].tobytes() == open_split(wanted, split).labels["price"].tobytes()
    about = found.sources["houses"].encoding
    assert about is not None
    assert (about.get("decimal", "."), about.get("thousands", "")) == (decimal, thousands)
    rows = next(open_records(path, [about]).batches).frame  # the file is read alike when it is predicted
    np.testing.assert_array_equal(rows["area"], frame["area"][: len(rows)])
    served = pd.DataFrame({"town": other["town"], "area": other["area"], "rooms": other["rooms"]})
    plain = pd.DataFrame({"town": frame["town"], "area": frame["area"], "rooms": frame["rooms"]})
    of = SourceRows.of("houses", SourceSpec([4], 1.0, encoding=about))
    np.testing.assert_array_equal(of.values(served, 0), of.values(plain, 0))
    np.testing.assert_array_equal(of.values(plain.astype(object), 0), of.values(plain, 0))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_number_that_marks_a_gap_does_so_in_every_format(ending: str, tmp_path: Path) -> None:
    rows = np.arange(ROWS)
    plain = FRAME.assign(area=FRAME["area"].round(3), old=np.where(rows % 9 == 0, np.nan, FRAME["old"]))
    folder = tmp_path / "plain"
    folder.mkdir()
    written(folder, plain)
    wanted = prepared(folder, said())
    frame = plain.fillna({"area": -999.0, "price": -999.0, "old": -999.0})
    path = tmp_path / f"houses{ending}"
    if ending == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        written(tmp_path, frame, path.name)
    found = prepared(tmp_path, said(path.name, missing=["-999", "?"]))
    for split in ("train", "validation", "test"):
        own, other = open_split(found, split), open_split(wanted, split)
        assert own.inputs["houses"].tobytes() == other.inputs["houses"].tobytes()
        assert all(own.labels[task].tobytes() == other.labels[task].tobytes() for task in TASKS)
    about = found.sources["houses"].encoding
    assert about is not None
    of, inputs = SourceRows.of("houses", SourceSpec([4], 1.0, encoding=about)), list(INPUTS)
    np.testing.assert_array_equal(of.values(frame[inputs], 0), of.values(plain[inputs], 0))
    read = next(open_records(path, [about]).batches).frame
    np.testing.assert_array_equal(read["area"], plain["area"][: len(read)])


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        (
            "1,234.5",
            r'\'1,234\.5\' is no number; if the table writes numbers so, say `thousands: ","`$',
        ),
        ("0,5", r'say `decimal: ","`$'),
        ("0,126", r'say `decimal: ","`$'),
        ("1,126", r'say `thousands: ","` or `decimal: ","`$'),
        ("1.234.567,5", r'say `decimal: ","`, `thousands: "\."`$'),
        ("1,5,9", "is no number$"),
    ],
)
def test_a_number_that_is_written_in_another_way_is_one_line_with_what_to_say(
    word: str, hint: str, tmp_path: Path
) -> None:
    written(tmp_path, _with("area", 3, word))
    with pytest.raises(UserError, match=rf"houses\.csv: row 4, column 'area': .*{hint}"):
        prepared(tmp_path, said())


@pytest.mark.parametrize("word", ["12,34", "1,2345", "1.5.0", "1,234,56", ",123"])
def test_marks_between_digits_that_are_no_thousands_are_refused(word: str, tmp_path: Path) -> None:
    written(tmp_path, _with("area", 3, word))
    with pytest.raises(UserError, match=r"row 4, column 'area': .* is no number"):
        prepared(tmp_path, said(thousands=","))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_columns_that_are_empty_in_train_are_no_inputs_and_are_named(ending: str, tmp_path: Path) -> None:
    rows = np.arange(ROWS)
    split = np.where(rows % 5 == 2, "test", np.where(rows % 5 == 1, "validation", "train"))
    later = split == "test"
    given = FRAME.assign(split=split, a=np.where(later, 3.5, np.nan), d=np.where(later, FRAME["day"], None))
    given["c"] = np.where(later, FRAME["town"], None)
    own = {"split": "split", "inputs": {"c": "categorical", **INPUTS, "a": "numeric", "d": "date"}}
    written(tmp_path, given, f"houses{ending}")
    (tmp_path / "without").mkdir()
    written(tmp_path / "without", given.drop(columns=["a", "c", "d"]), f"houses{ending}")
    found = prepared(tmp_path, said(f"houses{ending}", **own))
    wanted = prepared(tmp_path / "without", said(f"houses{ending}", **own | {"inputs": INPUTS}))
    for part in ("train", "validation", "test"):
        ours, theirs = open_split(found, part).inputs["houses"], open_split(wanted, part).inputs["houses"]
        assert ours.tobytes() == theirs.tobytes()
    line = "houses: 'c', 'a', 'd' left out of the inputs: no row of train tells anything of it"
    assert line in suspicions(json.loads((tmp_path / "out" / "manifest.json").read_text()))
    about = found.sources["houses"].encoding
    assert about is not None
    path = tmp_path / f"houses{ending}"
    assert list(next(open_records(path, [about]).batches).frame) == list(INPUTS)
