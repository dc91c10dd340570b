"""Drafts of CSV files as other programs write them: separators, lines above the names, encodings, names there twice."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.data.prepared import open_split
from pipeline.data.tables.records import open_records
from pipeline.drafts.images import draft_images
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.drafts.text import draft_text
from pipeline.errors import UserError
from tests.data.pictures import draw

from .test_decisions import BASE, prepared

INPUTS = BASE.assign(y=BASE["x"] + 0.5)[["x", "y", "t"]]
PLAIN = INPUTS.to_csv(index=False)


def draft(path: Path, content: str, encoding: str = "utf-8") -> dict:
    """The source that is drafted from a file."""
    path.write_bytes(content.encode(encoding))
    text = draft_table(path, parse("t"), "it", path.parent)
    (path.parent / "it.yaml").write_text(text)
    return yaml.safe_load(text)["sources"]["it"]


WRITTEN = {
    "semicolons": (PLAIN.replace(",", ";"), ";"),
    "tabs": (PLAIN.replace(",", "\t"), "\t"),
    "bars": (PLAIN.replace(",", "|"), "|"),
    "decimal commas": (PLAIN.replace(",", ";").replace(".", ","), ";"),
    "a line for spreadsheet programs": ("sep=;\r\n" + PLAIN.replace(",", ";"), ";"),
    "the same behind a mark of the encoding": ("\ufeffsep=|\n" + PLAIN.replace(",", "|"), "|"),
    "the same with what is usual": ("sep=,\n" + PLAIN, ","),
    "semicolons in quotes": (PLAIN.replace("no", '"n;o"'), ","),
    "commas without quotes": (PLAIN.replace(",", ";").replace("no", "n, o"), ";"),
    "a separator at the end of every line": (PLAIN.replace("\n", ",,\n"), ","),
}


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
@pytest.mark.parametrize("what", WRITTEN)
def test_whatever_is_between_the_fields_the_same_is_prepared_and_predicted(
    what: str, suffix: str, tmp_path: Path
) -> None:
    content, separator = WRITTEN[what]
    for name, text in {"plain": PLAIN, "other": content}.items():
        (tmp_path / name).mkdir()
        source = draft(tmp_path / name / f"it{suffix}", text)
        assert source["inputs"] == {"x": "numeric", "y": "numeric"}
    assert source.get("separator", ",") == separator
    wanted, found = prepared(tmp_path / "plain"), prepared(tmp_path / "other")
    ours, theirs = open_split(found, "train").inputs["it"], open_split(wanted, "train").inputs["it"]
    assert ours.tobytes() == theirs.tobytes()
    # A model that knows one of them reads the other.
    for about, file in ((found, "plain"), (wanted, "other")) if "decimal" not in what else ():
        encoding = about.sources["it"].encoding
        assert encoding is not None
        rows = next(open_records(tmp_path / file / f"it{suffix}", [encoding]).batches).frame
        np.testing.assert_array_equal(rows["x"], INPUTS["x"])


def test_files_of_labels_and_texts_may_have_semicolons(tmp_path: Path) -> None:
    names = [f"{place}.png" for place in range(30)]
    draw(tmp_path / "scans", names)
    kinds = "".join(f"{name};{'cat' if place % 2 else 'dog'}\n" for place, name in enumerate(names))
    (tmp_path / "labels.csv").write_text(f"file;animal\n{kinds}")
    said = yaml.safe_load(draft_images(tmp_path / "scans", tmp_path / "labels.csv", {}, "it", tmp_path))
    assert said["sources"]["it"]["separator"] == ";"
    (tmp_path / "posts.csv").write_text("text;mood\n" + "What a day, isn't it;good\nNo, not at all;bad\n" * 20)
    said = yaml.safe_load(draft_text(tmp_path / "posts.csv", {}, "it", tmp_path))
    assert (said["sources"]["it"]["separator"], list(said["tasks"])) == (";", ["mood"])


def test_columns_of_one_name_that_nobody_uses_are_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "it.csv"
    source = draft(path, PLAIN.replace("x,y,t", "x,y,t,y,y", 1).replace("\n", ",1,2\n").replace("y,y,1,2", "y,y", 1))
    assert source["inputs"] == {"x": "numeric"}
    assert "Left out: y, there twice: give every column a name of its own" in (tmp_path / "it.yaml").read_text()
    with pytest.raises(UserError, match="column 'y' cannot be predicted: there twice"):
        draft_table(path, parse("y"), "it", tmp_path)


@pytest.mark.parametrize(
    ("content", "encoding", "line"),
    [
        (PLAIN.replace("no", "nö"), "cp1252", r"row \d+, column 't': not UTF-8; .*iconv -f WINDOWS-1252 -t"),
        (PLAIN.replace("x", "ö"), "latin-1", r"the first line is not UTF-8; .*iconv -f WINDOWS-1252 -t UTF-8 it.csv"),
        (PLAIN, "utf-16", r"is UTF-16 or UTF-32; .*iconv -f UTF-16 -t UTF-8 it.csv"),
        ("# made on Monday\n" + PLAIN, "utf-8", "row 1: .* the first line has to name the columns: remove lines above"),
    ],
)  # fmt: skip
def test_what_to_do_with_other_files_is_said(content: str, encoding: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=line):
        draft(tmp_path / "it.csv", content, encoding)
