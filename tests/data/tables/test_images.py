"""Folders of images: one row each, in the order of their names, as the model's sources have them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import decoding
from pipeline.data.decoding import decoded
from pipeline.data.tables import batching
from pipeline.data.tables.images import open_images
from pipeline.errors import UserError

GREY = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
SOURCES = {"own": {"shape": [4, 3], "scale": 255.0}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, grey in enumerate(GREY):
        Image.fromarray(grey).save(tmp_path / f"{number}.png")
    return tmp_path


def read(folder: Path) -> np.ndarray:
    return np.concatenate([batch.frame.to_numpy() for batch in open_images(folder, SOURCES).batches])


def test_images_are_rows_in_the_order_of_their_names(folder: Path) -> None:
    (folder / "notes.txt").write_text("no image")
    (folder / "._0.png").write_text("what some systems leave")
    (folder / "0.png").rename(folder / "a.PNG")
    opened = open_images(folder, SOURCES)
    (batch,) = opened.batches
    assert (opened.total, batch.files) == (5, ["1.png", "2.png", "3.png", "4.png", "a.PNG"])
    np.testing.assert_array_equal(batch.frame.to_numpy(), GREY[[1, 2, 3, 4, 0]].reshape(5, 12))


def test_many_images_come_in_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_VALUES", 24)
    assert [batch.files for batch in open_images(folder, SOURCES).batches] == [
        ["0.png", "1.png"], ["2.png", "3.png"], ["4.png"],
    ]  # fmt: skip
    np.testing.assert_array_equal(read(folder), GREY.reshape(5, 12))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
def test_other_modes_are_made_grey(folder: Path, mode: str) -> None:
    for path in folder.iterdir():
        Image.open(path).convert(mode).save(path)
    np.testing.assert_array_equal(read(folder), GREY.reshape(5, 12))


def test_white_becomes_what_the_source_stores_for_it(folder: Path) -> None:
    Image.new("L", (3, 4), 255).save(folder / "0.png")
    (batch,) = open_images(folder, {"own": {"shape": [4, 3], "scale": 16.0}}).batches
    assert set(batch.frame.to_numpy()[0]) == {16.0}


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image in this folder"):
        open_images(tmp_path, SOURCES)


def test_images_of_a_size_the_model_does_not_know_are_told(folder: Path) -> None:
    two = {name: {"shape": shape, "scale": 255.0} for name, shape in (("a", [28, 28]), ("b", [3, 4]), ("c", [64]))}
    with pytest.raises(UserError, match=r"0\.png: 4 x 3 pixels, the model reads images of 28 x 28 or 3 x 4"):
        open_images(folder, two)


def test_a_model_of_tables_reads_no_images(folder: Path) -> None:
    with pytest.raises(UserError, match="the model reads no images; give a table"):
        open_images(folder, {"own": {"shape": [12], "scale": 1.0}})


def test_colours_come_first_where_the_source_has_them(folder: Path) -> None:
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (5, 4, 3, 3), np.uint8)
    for number, image in enumerate(colours):
        Image.fromarray(image).save(folder / f"{number}.png")
    (batch,) = open_images(folder, {"own": {"shape": [3, 4, 3], "scale": 255.0}}).batches
    np.testing.assert_array_equal(batch.frame.to_numpy(), colours.transpose(0, 3, 1, 2).reshape(5, 36))


def test_images_are_resized_as_the_source_did_it(folder: Path) -> None:
    Image.new("L", (30, 20), 200).save(folder / "3.png")
    sources = {"own": {"shape": [5, 6], "scale": 255.0, "resized": True}}
    (batch,) = open_images(folder, sources).batches
    np.testing.assert_array_equal(batch.frame.to_numpy()[0], decoded(folder / "0.png", "grey", (5, 6)).ravel())
    assert set(batch.frame.to_numpy()[3]) == {200.0}


def test_of_sources_alike_one_that_resizes_is_enough(folder: Path) -> None:
    Image.new("L", (30, 20), 200).save(folder / "3.png")
    plain = {"shape": [4, 3], "scale": 255.0}
    (batch,) = open_images(folder, {"a": plain, "b": plain | {"resized": True}}).batches
    assert set(batch.frame.to_numpy()[3]) == {200.0}


def test_sources_of_grey_and_of_colours_leave_it_open_what_an_image_is(folder: Path) -> None:
    sources = {"a": {"shape": [4, 3], "scale": 255.0}, "b": {"shape": [3, 4, 3], "scale": 255.0}}
    with pytest.raises(UserError, match="differ in colours"):
        open_images(folder, sources)


def test_sources_of_different_scale_leave_white_undefined(folder: Path) -> None:
    sources = {str(scale): {"shape": [4, 3], "scale": scale} for scale in (255.0, 16.0)}
    with pytest.raises(UserError, match="differ in colours, size or scale"):
        open_images(folder, sources)


def test_an_image_of_another_size_is_named(folder: Path) -> None:
    Image.new("L", (4, 4)).save(folder / "3.png")
    with pytest.raises(UserError, match=r"3\.png: 4 x 4 pixels, the model reads images of 4 x 3"):
        read(folder)


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b"GIF89a" + b, lambda b: b[:50], lambda b: b[:-40]])
@pytest.mark.parametrize("name", ["0.png", "3.png"])
def test_a_broken_image_is_named(folder: Path, name: str, spoil) -> None:
    (folder / name).write_bytes(spoil((folder / name).read_bytes()))
    with pytest.raises(UserError, match=rf"{name}: ") as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def test_deep_images_are_scaled_as_in_training(folder: Path) -> None:
    Image.fromarray(GREY[0].astype(np.uint16) * 257).save(folder / "2.png")
    np.testing.assert_array_equal(read(folder)[2], GREY[0].ravel())


def test_folders_in_it_and_links_are_looked_into_and_what_is_left_out_is_told(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "x.png"
    inner.mkdir()
    (folder / "0.png").rename(inner / "0.pgm")
    (folder / "4.png").rename(inner / "4.PNG")
    (folder / "notes.txt").write_text("no image")
    (folder / "link").symlink_to("x.png")
    opened = open_images(folder, SOURCES)
    (batch,) = opened.batches
    assert batch.files == ["1.png", "2.png", "3.png", "link/0.pgm", "link/4.PNG", "x.png/0.pgm", "x.png/4.PNG"]
    assert opened.notes == [f"left out of {folder.name}: no image, .txt: 1 ('notes.txt')"]


def test_images_are_upright_before_their_size_is_looked_at(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, grey in (("0.png", GREY[0]), ("3.png", GREY[3])):
        Image.fromarray(np.rot90(grey)).save(folder / name, exif=exif)  # stored 3 x 4
    np.testing.assert_array_equal(read(folder), GREY.reshape(5, 12))


def test_an_image_too_large_to_be_true_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding.Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(UserError, match="too large to be unpacked"):
        open_images(folder, SOURCES)
