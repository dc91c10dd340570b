"""Images of one's own: found, matched with their labels, streamed; and one line for whatever is wrong with them."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared, open_split
from pipeline.data.sources import checksums, images, labels, source
from pipeline.errors import UserError

from .files import quiet
from .pictures import draw, here, on, table

OWN = {"kind": "images", "path": "scans", "labels_file": "labels.csv", "id": "file"}
FINDINGS = {"findings": {"kind": "multilabel"}}
NAMES = [f"{letter}.png" for letter in "abcdefgh"]
ROWS = (
    "file,mass,nodule,age,ward a.png,1,0,30,x b.png,0,1,40,y c.png,1,1,50,x d.png,0,0,60,y "
    "e,,1,70,x f,1,0,,y g,0,1,30,x h,1,,40,"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight images of 4 x 3, and a row of labels for each."""
    draw(tmp_path / "scans", NAMES)
    table(tmp_path / "labels.csv", ROWS)
    return tmp_path


def read(folder: Path, report: Any = quiet, tasks: Any = None, **settings: Any) -> Any:
    own = OWN | {"labels": {"findings": ["mass", "nodule"]}} | settings
    return source(on(own, tasks or FINDINGS), "own").read(here(folder), report)


def all_read(folder: Path, pixels: bool, **settings: Any) -> None:
    found = read(folder, **settings)
    if pixels:
        list(found.train.inputs.chunks())


def refused(folder: Path, pixels: bool = False, **settings: Any) -> str:
    """The one line with which it ends, told without the test's own folder."""
    with pytest.raises(UserError) as caught:
        all_read(folder, pixels, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_images_are_colours_in_the_order_of_the_rows_with_labels_of_every_kind(folder: Path) -> None:
    pixels = draw(folder / "scans", NAMES)
    tasks = FINDINGS | {"age": {"kind": "regression"}, "ward": {"kind": "binary"}}
    found = read(folder, tasks=tasks, labels={"findings": ["mass", "nodule"]})
    assert len(found.train.inputs) == 8
    np.testing.assert_array_equal(np.concatenate(list(found.train.inputs.chunks())), pixels.transpose(0, 3, 1, 2))
    assert (found.scale, found.encoder, found.resized) == (255.0, None, False)
    np.testing.assert_array_equal(found.train.labels["findings"][:5], [[1, 0], [0, 1], [1, 1], [0, 0], [np.nan, 1]])
    np.testing.assert_array_equal(found.train.labels["age"], [30, 40, 50, 60, 70, np.nan, 30, 40])
    np.testing.assert_array_equal(found.train.labels["ward"], [0, 1, 0, 1, 0, 1, 0, -1])
    assert found.classes == {"findings": ["mass", "nodule"], "age": [], "ward": ["x", "y"]}


def test_pixels_come_a_few_images_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_BYTES", 3 * 36)
    stream = read(folder).train.inputs
    assert [len(chunk) for chunk in stream.chunks()] == [3, 3, 2]
    assert [len(chunk) for chunk in stream.chunks()] == [3, 3, 2]


def test_grey_images_have_no_axis_of_channels_and_a_size_resizes(folder: Path) -> None:
    Image.new("RGB", (30, 20)).save(folder / "scans" / "h.png")
    (chunk,) = read(folder, channels="grey", size=[5, 6]).train.inputs.chunks()
    assert chunk.shape == (8, 5, 6)
    assert not chunk[7].any()


def test_ids_are_paths_names_or_names_without_an_ending(folder: Path) -> None:
    draw(folder / "more", ["x/a.png", "x/y/b.jpg", "c.d.png"])
    table(folder / "labels.csv", "file,mass,nodule c.d,1,0 x/y/b,0,1 x/a.png,1,1")
    assert read(folder, path="more").train.inputs.names == ["c.d.png", "x/y/b.jpg", "x/a.png"]
    table(folder / "labels.csv", "file,mass,nodule b,1,0 c.d.png,0,1")
    assert read(folder, path="more").train.inputs.names == ["x/y/b.jpg", "c.d.png"]


def test_ids_that_look_like_numbers_keep_their_zeros(folder: Path) -> None:
    draw(folder / "more", ["0010.png", "10.png"])
    table(folder / "labels.csv", "file,mass,nodule 0010,1,0 10,0,1")
    assert read(folder, path="more").train.inputs.names == ["0010.png", "10.png"]


def test_labels_may_lie_within_the_folder_and_be_told_apart_by_other_fields(folder: Path) -> None:
    (folder / "labels.csv").rename(folder / "scans" / "labels.csv")
    assert len(read(folder).train.inputs) == 8


def test_rows_are_split_by_a_column(folder: Path) -> None:
    table(folder / "labels.csv", "file,mass,nodule,who a,1,0,p b,0,1,q c,1,1,p")
    group = read(folder, group="who").train.group
    assert group[0] == group[2] != group[1]


def test_words_in_one_column_are_labels(folder: Path) -> None:
    table(folder / "labels.csv", "file,found a,mass|nodule b,none c,cyst d, e,mass")
    words = {"findings": {"column": "found", "none": "none"}}
    found = read(folder, labels=words)
    assert found.classes == {"findings": ["cyst", "mass", "nodule"]}
    np.testing.assert_array_equal(
        found.train.labels["findings"], [[0, 1, 1], [0, 0, 0], [1, 0, 0], [np.nan] * 3, [0, 1, 0]]
    )
    nothing = read(folder, labels={"findings": {"column": "found", "none": ""}})
    np.testing.assert_array_equal(nothing.train.labels["findings"][3], [0, 0, 0, 0])


def test_words_in_one_column_are_for_multilabel_tasks(folder: Path) -> None:
    line = refused(folder, labels={"findings": {"column": "ward"}}, tasks={"findings": {"kind": "binary"}})
    assert line == "source 'own': label 'findings' has several words a row, which is for multilabel tasks, not binary"


def test_an_empty_word_is_named_with_its_row(folder: Path) -> None:
    table(folder / "labels.csv", "file,found a,mass b,mass|")
    line = refused(folder, labels={"findings": {"column": "found"}})
    assert line == "labels.csv: row 2, column 'found': 'mass|' has an empty label before or after '|'"


def test_words_that_are_too_many_to_be_labels_ask_for_the_separator(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "_MOST_LABELS", 2)
    table(folder / "labels.csv", "file,found a,x;y b,y;x c,x")
    assert refused(folder, labels={"findings": {"column": "found"}}) == (
        "labels.csv: column 'found' has more than 2 labels: are they parted by '|'?"
    )


def test_without_a_label_file_folders_are_classes(tmp_path: Path) -> None:
    draw(tmp_path / "scans", ["dog/1.png", "cat/2.png", "cat/deep/3.png", ".hidden/4.png", "dog/.5.png"])
    found = source(on({"kind": "images", "path": "scans"}), "own").read(here(tmp_path), quiet)
    assert found.train.inputs.names == ["cat/2.png", "cat/deep/3.png", "dog/1.png"]
    np.testing.assert_array_equal(found.train.labels["class"], [0, 0, 1])
    assert found.classes == {"class": ["cat", "dog"]}
    assert found.train.split is None


def test_outer_folders_called_like_splits_are_splits(tmp_path: Path) -> None:
    draw(tmp_path / "scans", ["Train/dog/1.png", "Train/cat/2.png", "VAL/cat/3.png", "test/dog/4.png"])
    found = source(on({"kind": "images", "path": "scans"}), "own").read(here(tmp_path), quiet)
    assert found.classes == {"class": ["cat", "dog"]}
    by_name = dict(zip(found.train.inputs.names, found.train.split, strict=True))
    assert by_name == {"test/dog/4.png": 2, "Train/cat/2.png": 0, "Train/dog/1.png": 0, "VAL/cat/3.png": 1}


def test_an_image_in_no_classs_folder_is_named(tmp_path: Path) -> None:
    draw(tmp_path / "scans", ["dog/1.png", "2.png"])
    with pytest.raises(UserError, match=r"2\.png: lies in no class's folder: .* images are CLASS/NAME in scans"):
        source(on({"kind": "images", "path": "scans"}), "own").read(here(tmp_path), quiet)


def test_images_without_a_row_are_told_and_left_out(folder: Path) -> None:
    table(folder / "labels.csv", "file,mass,nodule a,1,0 c,1,0")
    lines: list[str] = []
    assert len(read(folder, lines.append).train.inputs) == 2
    assert lines == [
        f"{folder}/scans: images left out, without a row in labels.csv: 6 ('b.png', 'd.png', 'e.png' and 3 more)"
    ]


def test_rows_without_an_image_are_refused_with_the_first_few(folder: Path) -> None:
    table(folder / "labels.csv", "file,mass,nodule a,1,0 u,1,0 v,1,0 w,1,0 x,1,0")
    assert refused(folder) == (
        "labels.csv: 4 images are not in scans: 'u (row 2)', 'v (row 3)', 'w (row 4)' and 1 more; "
        "add the images, or take the rows out"
    )


def test_two_rows_about_one_image_are_both_named(folder: Path) -> None:
    table(folder / "labels.csv", "file,mass,nodule a,1,0 b,1,0 a.png,1,0")
    assert refused(folder) == (
        "labels.csv: row 3, column 'file': 'a.png' is the image of row 1 already: keep one of the two rows"
    )


def test_a_name_that_several_images_have_is_refused(folder: Path) -> None:
    draw(folder / "more", ["x/a.png", "y/a.png"])
    table(folder / "labels.csv", "file,mass,nodule a,1,0")
    assert "row 1, column 'file': 'a' is the name of several images: give the path within more" in refused(
        folder, path="more"
    )


@pytest.mark.parametrize("name", ["../secret.png", "/etc/x.png", "x/../../y.png", "..\\y.png"])
def test_an_id_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    draw(folder, ["secret.png"])
    table(folder / "labels.csv", f"file,mass,nodule a,1,0 {name},1,0")
    assert refused(folder) == (
        f"labels.csv: row 2, column 'file': '{name}' leads out of scans: give a path within it, with /"
    )


def test_paths_from_the_folder_of_the_label_file_are_found_and_absolute_ones(folder: Path) -> None:
    draw(folder / "scans", ["p/a.png", "scans/p/b.png"])
    table(folder / "labels.csv", f"file,mass,nodule ./scans/p/a.png,1,0 {folder}/scans/scans/p/B.PNG,0,1")
    assert read(folder).train.inputs.names == ["p/a.png", "scans/p/b.png"]
    table(folder / "labels.csv", "file,mass,nodule scans/p/b.png,1,0 p/../p/a.png,0,1")
    assert read(folder).train.inputs.names == ["scans/p/b.png", "p/a.png"]


def test_links_are_followed_to_wherever_they_lead(folder: Path) -> None:
    pixels = draw(folder / "elsewhere", ["y.png", "deep/z.png"])
    (folder / "scans" / "i.png").symlink_to(folder / "elsewhere" / "y.png")
    (folder / "scans" / "linked").symlink_to("../elsewhere")
    table(folder / "labels.csv", "file,mass,nodule i,1,0 linked/deep/z.png,0,1")
    (chunk,) = read(folder).train.inputs.chunks()
    np.testing.assert_array_equal(chunk, pixels.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("to", [".", "..", "../scans", "../elsewhere"])
def test_links_in_a_circle_are_refused(folder: Path, to: str) -> None:
    draw(folder / "elsewhere", ["y.png"])
    (folder / "elsewhere" / "again").symlink_to(".." if to == "../elsewhere" else "x")
    (folder / "elsewhere" / "x").mkdir()
    (folder / "scans" / "loop").symlink_to(to)
    assert "/loop: a link that leads back to " in refused(folder) or "/again: a link that" in refused(folder)


def test_links_to_nowhere_are_refused(folder: Path) -> None:
    (folder / "scans" / "x.png").symlink_to("gone.png")
    assert refused(folder) == "scans/x.png: a link to gone.png, which is not there: remove the link"
    (folder / "scans" / "x.png").unlink()
    (folder / "scans" / "x").symlink_to("x")
    assert refused(folder).startswith("scans/x: ")


def test_what_is_left_out_is_counted_by_kind(tmp_path: Path) -> None:
    draw(tmp_path / "scans", ["dog/1.png", "cat/2.png", "cat/._2.png", "__MACOSX/cat/2.png", ".git/3.png"])
    for name in ("Thumbs.db", "cat/.DS_Store", "notes.txt", "cat/b.txt", "cat/it.heic", "cat/README"):
        (tmp_path / "scans" / name).write_text("no image")
    (tmp_path / "scans" / "bird").mkdir()
    os.mkfifo(tmp_path / "scans" / "pipe.png")
    own = source(on({"kind": "images", "path": "scans"}), "own")
    assert own.read(here(tmp_path), quiet).train.inputs.names == ["cat/2.png", "dog/1.png"]
    assert own.fingerprint(here(tmp_path)).notes == [
        "left out of scans: folder without an image: 1 ('bird'); "
        "hidden: 5 ('.git', 'Thumbs.db', '__MACOSX' and 2 more); "
        "neither file nor folder: 1 ('pipe.png'); no image, .heic: 1 ('cat/it.heic'); "
        "no image, .txt: 2 ('cat/b.txt', 'notes.txt'); no image, without a suffix: 1 ('cat/README')"
    ]


def test_a_name_that_is_no_text_is_refused(folder: Path) -> None:
    try:
        Path(os.fsdecode(bytes(folder / "scans") + b"/\xff.png")).touch()
    except OSError:
        pytest.skip("no such name in this file system")
    assert refused(folder) == "scans: the name b'\\xff.png' is not UTF-8: rename it"


def test_a_fingerprint_follows_links(tmp_path: Path) -> None:
    for kind, channels in (("dog", 3), ("hund", 3), ("cat", 3)):
        Image.new("RGB", (4, 4), (len(kind), channels, 0)).save(tmp_path / f"{kind}.bmp")
    (tmp_path / "scans" / "a").mkdir(parents=True)
    (tmp_path / "scans" / "a" / "cat.bmp").symlink_to("../../cat.bmp")
    link = tmp_path / "scans" / "a" / "x.bmp"
    found = []
    for target in ("dog", "hund"):
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../{target}.bmp")
        found.append(source(on({"kind": "images", "path": "scans"}), "own").fingerprint(here(tmp_path)).checksums)
    assert found[0] != found[1]


def test_a_row_without_an_id_is_refused(folder: Path) -> None:
    table(folder / "labels.csv", "file,mass,nodule a,1,0 ,1,0")
    assert refused(folder) == "labels.csv: row 2, column 'file': empty: give the image's name"


def test_images_of_different_size_are_both_named_with_the_way_out(folder: Path) -> None:
    Image.new("RGB", (30, 20)).save(folder / "scans" / "c.png")
    assert refused(folder, pixels=True) == (
        "labels.csv: row 3: scans/c.png has 20 x 30 pixels, a.png has 4 x 3: "
        "set sources.own.size=[4,3] to resize all images"
    )


def test_a_broken_image_is_named_with_its_row(folder: Path) -> None:
    path = folder / "scans" / "d.png"
    path.write_bytes(path.read_bytes()[:60])
    assert refused(folder, pixels=True).startswith("labels.csv: row 4: scans/d.png: broken or truncated image")
    path.write_bytes(b"")
    assert refused(folder, pixels=True) == "labels.csv: row 4: scans/d.png: is empty"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "labels.csv: is empty"),
        ("file,mass,nodule", "labels.csv: no rows"),
        ("name,mass,nodule a,1,0", "labels.csv: no column 'file'; the columns are 'name', 'mass', 'nodule'"),
        ("file,mass a,1", "labels.csv: no column 'nodule'; the columns are 'file', 'mass'"),
        ("file,mass,nodule a,1,0 b,2,0", "labels.csv: row 2, column 'mass': 2 is neither 0 nor 1"),
        ("file,mass,nodule a,1,0 b,yes,0", "labels.csv: row 2, column 'mass': "),
    ],
)
def test_a_wrong_label_file_is_refused(folder: Path, text: str, line: str) -> None:
    table(folder / "labels.csv", text)
    if not text:
        (folder / "labels.csv").write_bytes(b"")
    assert refused(folder).startswith(line)


def test_folders_that_are_not_there_or_hold_no_image_are_told(folder: Path) -> None:
    assert refused(folder, path="nowhere") == "nowhere: no such folder"
    (folder / "bare").mkdir()
    assert refused(folder, path="bare") == "bare: no image in this folder, nor a .parquet file"
    assert refused(folder, labels_file="nowhere.csv") == "nowhere.csv: no such file or folder"


def test_what_is_prepared_is_what_the_files_hold(folder: Path, tmp_path: Path) -> None:
    pixels = draw(folder / "scans", NAMES)
    table(folder / "labels.csv", "file,mass,where a,1,train b,0,train c,1,val d,0,val e,1,test f,0,test")
    own = OWN | {"split": "where", "size": [4, 3]}
    out = tmp_path / "out"
    out.mkdir()
    lines: list[str] = []
    manifest = prepare(on(own, {"mass": {"kind": "binary"}}), here(folder), out, lines.append)
    assert manifest["sources"]["own"] == {
        "shape": [3, 4, 3], "scale": 255.0, "rows": {"train": 2, "validation": 2, "test": 2},
        "repeated": {"validation": 0, "test": 0}, "resized": True,
    }  # fmt: skip
    assert lines[0] == "reading own"
    assert "images left out" in lines[1]
    opened = open_prepared(out)
    assert opened.sources["own"].resized
    for place, name in enumerate(("train", "validation", "test")):
        split = open_split(opened, name)
        assert split.inputs["own"].dtype == np.uint8
        wanted = pixels[2 * place : 2 * place + 2].transpose(0, 3, 1, 2).reshape(2, 36)
        np.testing.assert_array_equal(split.inputs["own"], wanted)
        np.testing.assert_array_equal(split.labels["mass"], [1, 0])


def test_a_broken_image_leaves_no_manifest(folder: Path, tmp_path: Path) -> None:
    (folder / "scans" / "h.png").write_bytes(b"no image")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UserError, match=r"row 8: .*h\.png: no image of a format"):
        prepare(on(OWN, {"mass": {"kind": "binary"}}, validation=0.0), here(folder), out, quiet)
    assert not (out / "manifest.json").exists()


def test_a_fingerprint_tells_every_change_and_is_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "_SETTLED_NS", 0)
    own = source(on(OWN, {"mass": {"kind": "binary"}}), "own")
    asked: list[Path] = []
    before = checksums.idx.checksum
    monkeypatch.setattr(checksums.idx, "checksum", lambda path: asked.append(path) or before(path))
    first = own.fingerprint(here(folder)).checksums
    assert set(first) == {"images", "labels/labels.csv"}
    assert len(asked) == 9
    asked.clear()
    assert own.fingerprint(here(folder)).checksums == first
    assert asked == [folder / "labels.csv"]
    image = folder / "scans" / "b.png"
    times = image.stat()
    content = bytearray(image.read_bytes())
    content[-20] ^= 1
    image.write_bytes(content)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = own.fingerprint(here(folder)).checksums
    assert second["images"] != first["images"]
    assert image in asked
    (folder / "scans" / "a.png").rename(folder / "scans" / "aa.png")
    assert own.fingerprint(here(folder)).checksums["images"] not in (first["images"], second["images"])
    (memory,) = (folder / "kept" / "checksums").iterdir()
    memory.write_text("damaged")
    asked.clear()
    assert own.fingerprint(here(folder)).checksums["images"] != first["images"]
    assert len(asked) == 9
    assert set(json.loads(memory.read_text())) == {"aa.png", *NAMES[1:]}


def test_what_has_just_been_written_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = source(on(OWN, {"mass": {"kind": "binary"}}), "own")
    own.fingerprint(here(folder))
    assert not (folder / "kept").exists()


def test_ids_may_differ_in_case_and_in_how_accents_are_written(folder: Path) -> None:
    draw(folder / "more", ["x/Caf\u0065\u0301.JPG", "b.png", "B.bmp"])
    table(folder / "labels.csv", "file,mass,nodule x/caf\u00e9.jpg,1,0 b,0,1 B.BMP,1,1")
    assert read(folder, path="more").train.inputs.names == ["x/Cafe\u0301.JPG", "b.png", "B.bmp"]
