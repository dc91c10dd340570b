"""What a draft decides about columns: identifiers, codes, gaps, splits, times, targets; and that it says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.errors import UserError

ROWS = 300
DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=ROWS).round(3)
T = DRAWS.choice(["no", "yes"], ROWS)
BASE = pd.DataFrame({"x": X, "t": T})
WORDS = ["red", "blue", "small", "old", "new", "house", "car", "nice", "garden"]


def drafted(folder: Path, frame: pd.DataFrame, targets: str = "t", name: str = "it.csv") -> tuple[str, dict[str, Any]]:
    path = folder / name
    frame.to_parquet(path, index=False) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    text = draft_table(path, parse(targets), "it", folder)
    (folder / "it.yaml").write_text(text)
    return text, yaml.safe_load(text)["sources"]["it"]


def prepared(folder: Path) -> Prepared:
    """What the last draft prepares, as one split."""
    (folder / "out").mkdir()
    experiment = load(str(folder / "it.yaml"), {"data.test": 0.2}, folder)
    prepare(experiment, Place("sample", folder, None, folder, folder), folder / "out", lambda line: None)
    return open_prepared(folder / "out")


def refused(folder: Path, frame: pd.DataFrame, targets: str) -> str:
    with pytest.raises(UserError) as error:
        drafted(folder, frame, targets)
    assert "\n" not in str(error.value)
    return str(error.value)


IDENTIFIERS = {
    "id": np.arange(ROWS) * 7,
    "Unnamed: 0": np.arange(ROWS),
    "rownames": [f"row {row}" for row in range(ROWS)],
    "houseId": DRAWS.permutation(ROWS),
    "uuid": [f"{row:08x}-{row * 7:04x}" for row in range(ROWS)],
    "index": np.arange(ROWS),
    "obs": np.arange(1, ROWS + 1),
    "X": np.arange(1, ROWS + 1),
    "email": [f"p{row}@example.org" for row in range(ROWS)],
}
NONE = {
    "paid": DRAWS.permutation(ROWS) * 3,
    "index": DRAWS.permutation(ROWS) * 3,
    "humid": np.arange(ROWS),
    "z": np.arange(ROWS),
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_an_identifier_is_known_by_its_name_and_its_values(name: str, tmp_path: Path) -> None:
    text, said = drafted(tmp_path, BASE.assign(**{name: IDENTIFIERS[name]}))
    assert list(said["inputs"]) == ["x"]
    assert "of which every row has its own: an identifier" in text


@pytest.mark.parametrize("name", NONE)
def test_numbers_that_happen_to_differ_are_no_identifiers(name: str, tmp_path: Path) -> None:
    assert drafted(tmp_path, BASE.assign(**{name: NONE[name]}))[1]["inputs"] == {"x": "numeric", name: "numeric"}


@pytest.mark.parametrize("name", ["it.csv", "it.parquet"])
def test_digits_with_leading_zeros_are_categories(name: str, tmp_path: Path) -> None:
    _, said = drafted(tmp_path, BASE.assign(zip=DRAWS.choice(["01067", "10115", "80331"], ROWS)), name=name)
    assert said["inputs"]["zip"] == "categorical"
    values = prepared(tmp_path).sources["it"].encoding["columns"][1]["values"]
    assert values == ["01067", "10115", "80331"]


@pytest.mark.parametrize("name", ["it.csv", "it.parquet"])
def test_digits_that_numbers_would_take_for_one_are_told_apart(name: str, tmp_path: Path) -> None:
    keys = [12345678901234567 + key for key in range(3)]
    frame = BASE.assign(key=DRAWS.choice(keys, ROWS), time=1_700_000_000_000_000_000 + DRAWS.permutation(ROWS) * 10**9)
    _, said = drafted(tmp_path, frame.assign(row=9_100_000_000_000_000_001 + DRAWS.permutation(ROWS)), name=name)
    assert said["inputs"] == {"x": "numeric", "key": "categorical", "time": "numeric"}
    assert prepared(tmp_path).sources["it"].encoding["columns"][1]["values"] == [str(key) for key in keys]


GAPS = {
    "a dot": (".", 40), "n/a": ("n/a", 40), "a dash": ("-", 40), "unknown": ("unknown", 250),
    "below a limit": ("<5", 9), "in the last row": ("none", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ["it.csv", "it.parquet"])
@pytest.mark.parametrize("what", GAPS)
def test_numbers_with_a_few_words_are_numbers_with_gaps(what: str, name: str, tmp_path: Path) -> None:
    word, count = GAPS[what]
    rate = DRAWS.gamma(2.0, 2.0, ROWS).round(2).astype(str).astype(object)
    rate[ROWS - count :] = word
    text, said = drafted(tmp_path, BASE.assign(rate=rate), name=name)
    assert said["inputs"]["rate"] == "numeric"
    if word != "n/a" or name == "it.parquet":  # which in CSV marks a gap anyhow
        assert said["missing"] == [word]
        assert f"# '{word}' in {count} rows of rate" in text
    about = prepared(tmp_path).sources["it"]
    assert about.encoding["columns"][1]["marked"] == (count > 1)  # the last row is not in train
    assert about.categories == ()


def test_a_quoted_word_among_numbers_marks_a_gap_too(tmp_path: Path) -> None:
    rate = [*map(str, DRAWS.gamma(2.0, 2.0, ROWS - 20).round(2)), *["."] * 20]
    (tmp_path / "it.csv").write_text("rate,t\n" + "".join(f'"{it}","{t}"\n' for it, t in zip(rate, T, strict=True)))
    (tmp_path / "it.yaml").write_text(draft_table(tmp_path / "it.csv", parse("t"), "it", tmp_path))
    assert prepared(tmp_path).sources["it"].encoding["columns"][0]["marked"]


def test_a_word_for_gaps_that_is_a_class_to_predict_stays_a_class(tmp_path: Path) -> None:
    rate = DRAWS.gamma(2.0, 2.0, ROWS).round(2).astype(str).astype(object)
    rate[:5] = "yes"
    text, said = drafted(tmp_path, BASE.assign(rate=rate))
    assert list(said["inputs"]) == ["x"]
    assert "# Left out: rate, numbers and 'yes', which is a class of t" in text


def test_many_words_are_no_gaps(tmp_path: Path) -> None:
    levels = DRAWS.choice(["1", "2", "3", "4 or more"], ROWS)
    codes = [f"{row % 40}" if row % 2 else f"{row % 40}b" for row in range(ROWS)]
    _, said = drafted(tmp_path, BASE.assign(levels=levels, codes=codes))
    assert said["inputs"] == {"x": "numeric", "levels": "categorical", "codes": "categorical"}
    assert "missing" not in said


WRITTEN = {
    "percentages": [f"{it}%" for it in DRAWS.integers(0, 90, ROWS)],
    "amounts of money": [f"${it:,}" for it in DRAWS.integers(0, 9000, ROWS)],
    "dates": [f"{it % 28 + 1}.{it % 12 + 1}.2024" for it in range(ROWS)],
    "negative numbers": [f"({it})" if it % 7 == 0 else str(it) for it in range(ROWS)],
    "dates ": [f"{it % 28 + 1:02}-{'JanFebMay'[it % 3 * 3 :][:3]}-{it % 20 + 10}" for it in range(ROWS)],
    "dates  ": [f"{['March', 'July'][it % 2]} {it % 28 + 1}, {2000 + it % 20}" for it in range(ROWS)],
    "dates   ": [f"{1950 + it // 4}Q{it % 4 + 1}" for it in range(ROWS)],
    "times of day": [f"{it % 24}:{it % 60:02}" for it in range(ROWS)],
}


@pytest.mark.parametrize("what", WRITTEN)
def test_numbers_and_dates_that_are_written_otherwise_are_left_out_with_a_remedy(what: str, tmp_path: Path) -> None:
    text, said = drafted(tmp_path, BASE.assign(odd=WRITTEN[what]))
    assert list(said["inputs"]) == ["x"]
    assert f"# Left out: odd, {what.strip()} such as '{WRITTEN[what][0]}': write them as " in text


AMOUNTS = [f"{it:,.2f}" for it in DRAWS.gamma(1.0, 2000.0, ROWS)]
COMMAS = [it.translate(str.maketrans(",.", ".,")) for it in AMOUNTS]


@pytest.mark.parametrize(
    ("amounts", "marks"), [(AMOUNTS, {"thousands": ","}), (COMMAS, {"decimal": ",", "thousands": "."})]
)
def test_numbers_with_marks_are_numbers(amounts: list[str], marks: dict[str, str], tmp_path: Path) -> None:
    frame = pd.DataFrame({"amount": [*amounts[:-1], "-"], "n": np.arange(ROWS) % 9, "t": T})
    _, said = drafted(tmp_path, frame)
    assert said["inputs"] == {"amount": "numeric", "n": "numeric"}
    assert {name: said.get(name) for name in marks} == marks
    about = prepared(tmp_path).sources["it"].encoding["columns"][0]
    assert about["mean"] == pytest.approx(2000, rel=0.3)


def test_of_several_ways_to_write_numbers_the_one_that_no_column_contradicts_is_taken(tmp_path: Path) -> None:
    _, said = drafted(tmp_path, BASE.assign(amount=[f"{it // 1000} {it % 1000:03}" for it in range(1000, 1000 + ROWS)]))
    assert said["inputs"] == {"x": "numeric", "amount": "numeric"}
    assert (said["thousands"], said.get("decimal", ".")) == (" ", ".")
    columns = prepared(tmp_path).sources["it"].encoding["columns"]
    assert [column["mean"] for column in columns] == pytest.approx([X.mean(), 1000 + ROWS / 2], abs=20)


def test_numbers_with_marks_that_other_columns_use_otherwise_are_left_out(tmp_path: Path) -> None:
    text, said = drafted(tmp_path, BASE.assign(amount=COMMAS))
    assert list(said["inputs"]) == ["x"]
    assert "# Left out: amount, numbers with other marks than a point such as '" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("split", ["train", "validation", "test"]),
        ("Fold", ["Training", "Dev", "Testing"]),
        ("SUBSET", ["TRAIN", "VAL", "TEST"]),
        ("partition", ["training set", "valid", "holdout"]),
        ("set", ["train", "validate", "test"]),
    ],
)
def test_a_column_that_names_splits_is_the_split(name: str, words: list[str], tmp_path: Path) -> None:
    where = np.repeat(words, [200, 60, 40])
    _, said = drafted(tmp_path, BASE.assign(**{name: where}))
    assert (said["split"], said["inputs"]) == (name, {"x": "numeric"})
    assert prepared(tmp_path).sources["it"].rows == {"train": 200, "validation": 60, "test": 40}


def test_a_split_that_rows_lack_is_none_and_folds_are_no_inputs(tmp_path: Path) -> None:
    where = np.repeat(["train", None, "test"], [200, 60, 40])
    arms = np.resize(["left on right", "right on left"], ROWS)
    text, said = drafted(tmp_path, BASE.assign(split=where, fold=np.arange(ROWS) % 5, Fold=arms))
    assert "split" not in said
    assert list(said["inputs"]) == ["x", "Fold"]
    assert "# Left out: split, which names the split of a row, but not in 60 rows" in text
    assert "# Left out: fold, which tells how rows are split" in text


DAYS = pd.Series(pd.date_range("2023-01-01", periods=ROWS).strftime("%Y-%m-%d"))
TIMES = {
    "days": ("day", DAYS),
    "the latest first": ("day", DAYS[::-1].reset_index(drop=True)),
    "with zones": ("at", DAYS + "T12:00:00+02:00"),
    "years": ("year", pd.Series(1700 + np.arange(ROWS) // 2)),
}


@pytest.mark.parametrize("what", TIMES)
def test_rows_in_the_order_of_time_are_split_by_it(what: str, tmp_path: Path) -> None:
    name, times = TIMES[what]
    text, said = drafted(tmp_path, BASE.assign(**{name: times}))
    assert said["time"] == name
    assert said["inputs"][name] == ("numeric" if name == "year" else "date")
    assert f"the rows are in its order: the {'first' if what == 'the latest first' else 'last'} are test" in text
    assert prepared(tmp_path).sources["it"].rows["test"] == 60


def test_why_rows_are_not_split_by_time_is_said(tmp_path: Path) -> None:
    late = np.where(np.arange(ROWS) > 250, "new", T)
    text, said = drafted(tmp_path, BASE.assign(day=DAYS, t=late))
    assert "time" not in said
    assert "# time: day   would test on the latest rows, but 'new' of t is in the latest rows only" in text
    text, _ = drafted(tmp_path, BASE.assign(day=DAYS.sample(frac=1.0, random_state=0).to_numpy()))
    assert "# time: day   would test on the latest rows; the rows are not in its order" in text
    text, said = drafted(tmp_path, BASE.assign(day=[*DAYS[:-1], "unknown"]))
    assert "# time: day   would test on the latest rows, but 1 rows have none" in text
    assert (said["missing"], said["inputs"]["day"]) == (["unknown"], "date")


def test_a_table_of_dates_alone_is_predicted_from(tmp_path: Path) -> None:
    _, said = drafted(tmp_path, pd.DataFrame({"when": DAYS, "t": T}))
    assert said["inputs"] == {"when": "date"}
    assert prepared(tmp_path).sources["it"].shape == (4,)  # no hour, and one year in train


def test_free_text_is_kept(tmp_path: Path) -> None:
    notes = [" ".join(DRAWS.choice(WORDS, 6)) for _ in range(ROWS)]
    _, said = drafted(tmp_path, BASE.assign(note=notes, town=DRAWS.choice(["New York", "San Jose"], ROWS)))
    assert said["inputs"] == {"x": "numeric", "note": "text", "town": "categorical"}


def test_columns_of_lists_are_left_out_with_their_type(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"x": X, "t": T, "emb": pa.array([[1.0]] * ROWS), "raw": pa.array([b"\xff"] * ROWS)}),
        tmp_path / "it.parquet",
    )
    text = draft_table(tmp_path / "it.parquet", parse("t"), "it", tmp_path)
    assert list(yaml.safe_load(text)["sources"]["it"]["inputs"]) == ["x"]
    assert "# Left out: emb, list<element: double>, which is no number, text, date or truth value" in text
    with pytest.raises(UserError, match="--targets: column 'raw' cannot be predicted: binary, which is no number"):
        draft_table(tmp_path / "it.parquet", parse("raw"), "it", tmp_path)


TARGETS = {
    "too many classes": (
        "town",
        "--targets town: column 'town' has 300 different values that are no numbers, too many for a guess: "
        "town:multiclass takes them for classes all the same",
    ),
    "words for a number": (
        "t:regression",
        "--targets t:regression: column 't' holds 'no' in 3 rows, which is no number; "
        "t:multiclass would take its values for classes",
    ),
    "dates": ("day", "--targets day: column 'day' holds dates, which no task predicts"),
    "nothing": ("empty", "--targets empty: column 'empty' has no value: there is nothing to predict"),
    "one class": ("one", "--targets one: column 'one' has the same value in every row: there is nothing to predict"),
    "money": ("cost", "--targets cost: column 'cost' holds amounts of money such as '$0': write them as 1234.5"),
}


@pytest.mark.parametrize("what", TARGETS)
def test_a_target_is_never_dropped_but_refused_with_what_would_do(what: str, tmp_path: Path) -> None:
    targets, line = TARGETS[what]
    t = np.where(np.arange(ROWS) < 3, "no", "yes")
    frame = pd.DataFrame(
        {"x": X, "t": np.where(t == "no", "no", X.astype(str)), "day": DAYS, "empty": None, "one": "a"}
    )
    frame = frame.assign(town=[f"t{row}" for row in range(ROWS)], cost=[f"${row:,}" for row in range(ROWS)])
    if what == "words for a number":
        frame["t"] = [*["no"] * 3, *(f"w{row}" for row in range(ROWS - 3))]
    assert refused(tmp_path, frame, targets).startswith(line)


def test_a_number_to_predict_may_have_words_for_gaps(tmp_path: Path) -> None:
    rate = DRAWS.gamma(2.0, 2.0, ROWS).round(2).astype(str).astype(object)
    rate[-30:] = "."
    text, said = drafted(tmp_path, BASE.assign(rate=rate), "rate")
    assert said["missing"] == ["."]
    assert yaml.safe_load(text)["tasks"]["rate"]["kind"] == "regression"
    data = prepared(tmp_path)
    assert sum(data.tasks["rate"].labelled[split][0] for split in data.sources["it"].rows) == ROWS - 30


def test_numbers_of_classes_may_have_words_for_gaps_unless_these_are_said_to_be_classes(tmp_path: Path) -> None:
    frame = BASE.assign(grade=DRAWS.choice(["1", "2", "3", "unknown"], ROWS))
    assert drafted(tmp_path, frame, "grade")[1]["missing"] == ["unknown"]
    assert "missing" not in drafted(tmp_path, frame, "grade:multiclass")[1]


def test_numbers_beyond_all_computing_mark_gaps_and_in_typed_columns_are_told(tmp_path: Path) -> None:
    big = np.where(np.arange(ROWS) % 5, X, 1.7976931348623157e308)
    _, said = drafted(tmp_path, BASE.assign(big=big))
    assert (said["missing"], said["inputs"]["big"]) == (["1.7976931348623157e+308"], "numeric")
    assert prepared(tmp_path).sources["it"].encoding["columns"][1]["marked"]
    text, said = drafted(tmp_path, BASE.assign(big=np.where(np.arange(ROWS) % 60, X, np.inf)), name="it.parquet")
    assert list(said["inputs"]) == ["x"]
    assert "# Left out: big, numbers such as inf, with which nothing can be computed" in text


@pytest.mark.parametrize(("quoted", "marks"), [("all", False), ("none", True), ("some", True)])
def test_a_question_mark_in_quotes_is_a_value(quoted: str, marks: bool, tmp_path: Path) -> None:
    marked = {"all": '"?"', "none": "?"}
    lines = [
        f"{X[row]},{T[row]},{'red' if row % 3 else marked.get(quoted, marked['all' if row % 2 else 'none'])}"
        for row in range(ROWS)
    ]
    (tmp_path / "it.csv").write_text("\n".join(["x,t,colour", *lines]))
    text = draft_table(tmp_path / "it.csv", parse("t"), "it", tmp_path)
    source = yaml.safe_load(text)["sources"]["it"]
    assert source.get("missing") == (["?"] if marks else None)
    assert ("'?' in 50 rows of colour" in text) is (quoted == "some")


def test_spaces_around_numbers_are_none(tmp_path: Path) -> None:
    _, said = drafted(tmp_path, BASE.assign(wide=[f" {it} " for it in X]))
    assert said["inputs"]["wide"] == "numeric"


def test_classes_with_commas_in_their_names_are_classes(tmp_path: Path) -> None:
    text, _ = drafted(tmp_path, BASE.assign(t=DRAWS.choice(["no, never", "yes", "yes, often"], ROWS)))
    assert yaml.safe_load(text)["tasks"]["t"]["kind"] == "multiclass"


def test_words_in_rows_far_behind_are_seen(tmp_path: Path) -> None:
    rows = 250_000
    frame = pd.DataFrame({"size": np.arange(rows) / 8, "t": np.resize(T, rows)}).astype({"size": object})
    frame.loc[rows - 1, "size"] = "unknown"
    assert drafted(tmp_path, frame)[1]["missing"] == ["unknown"]


def test_what_is_the_same_wherever_it_is_there_is_told_from_what_is_the_same_everywhere(tmp_path: Path) -> None:
    text, _ = drafted(tmp_path, BASE.assign(some=np.where(np.arange(ROWS) % 2, 5.0, np.nan), all=5.0))
    assert "# Left out: some, the same in every row that has a value\n" in text
    assert "# Left out: all, the same in every row\n" in text


def test_spaces_around_the_names_of_columns_need_not_be_asked_for(tmp_path: Path) -> None:
    text, source = drafted(tmp_path, BASE.rename(columns={"x": " x", "t": " t "}))
    assert source["inputs"] == {" x": "numeric"}
    assert yaml.safe_load(text)["tasks"] == {"t": {"kind": "binary", "source": "it", "label": " t "}}


def test_of_many_columns_a_message_names_the_first(tmp_path: Path) -> None:
    wide = pd.DataFrame(DRAWS.normal(size=(20, 1001)), columns=[f"gene {place}" for place in range(1001)])
    assert refused(tmp_path, wide, "t").count("gene") == 50


def test_a_table_without_another_column_says_so(tmp_path: Path) -> None:
    line = "no column is left to predict from: there are no others than those to predict"
    assert line in refused(tmp_path, BASE[["t"]], "t")


def test_a_target_of_numbers_and_many_words_names_a_word(tmp_path: Path) -> None:
    frame = BASE.assign(v=[*map(str, range(ROWS - 90)), *["oops"] * 90])
    line = refused(tmp_path, frame, "v")
    assert line.endswith(
        "'oops' in 90 rows: empty those cells for a regression; v:multiclass takes all values for classes"
    )
