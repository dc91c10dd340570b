"""Folders of PNG images: one row each, in the order of their names, grey."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.tables import images, rows
from pipeline.data.tables.images import open_images
from pipeline.errors import UserError

GREY = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
SCALES = {(4, 3): {255.0}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, grey in enumerate(GREY):
        Image.fromarray(grey).save(tmp_path / f"{number}.png")
    return tmp_path


def read(folder: Path) -> np.ndarray:
    return np.concatenate([batch.frame.to_numpy() for batch in open_images(folder, SCALES).batches])


def test_images_are_rows_in_the_order_of_their_names(folder: Path) -> None:
    (folder / "notes.txt").write_text("no image")
    (folder / "._0.png").write_text("what some systems leave")
    (folder / "0.png").rename(folder / "a.PNG")
    opened = open_images(folder, SCALES)
    (batch,) = opened.batches
    assert (opened.total, batch.files) == (5, ["1.png", "2.png", "3.png", "4.png", "a.PNG"])
    np.testing.assert_array_equal(batch.frame.to_numpy(), GREY[[1, 2, 3, 4, 0]].reshape(5, 12))


def test_many_images_come_in_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_VALUES", 24)
    assert [batch.files for batch in open_images(folder, SCALES).batches] == [
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
    (batch,) = open_images(folder, {(4, 3): {16.0}}).batches
    assert set(batch.frame.to_numpy()[0]) == {16.0}


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no PNG image in this folder"):
        open_images(tmp_path, SCALES)


def test_images_of_a_size_the_model_does_not_know_are_told(folder: Path) -> None:
    with pytest.raises(UserError, match=r"0\.png: 4 x 3 pixels, the model reads images of 28 x 28 or 3 x 4"):
        open_images(folder, {(28, 28): {255.0}, (3, 4): {255.0}})


def test_sources_of_different_scale_leave_white_undefined(folder: Path) -> None:
    with pytest.raises(UserError, match="differ in scale"):
        open_images(folder, {(4, 3): {255.0, 16.0}})


def test_an_image_of_another_size_is_named(folder: Path) -> None:
    Image.new("L", (4, 4)).save(folder / "3.png")
    with pytest.raises(UserError, match=r"3\.png: 4 x 4 pixels, the first image has 4 x 3"):
        read(folder)


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b"GIF89a" + b, lambda b: b[:50], lambda b: b[:-40]])
@pytest.mark.parametrize("name", ["0.png", "3.png"])
def test_a_broken_image_is_named(folder: Path, name: str, spoil) -> None:
    (folder / name).write_bytes(spoil((folder / name).read_bytes()))
    with pytest.raises(UserError, match=rf"{name}: ") as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def test_deep_images_are_refused_rather_than_cut_off(folder: Path) -> None:
    Image.fromarray(GREY[0].astype(np.uint16) * 257).save(folder / "2.png")
    with pytest.raises(UserError, match=r"2\.png: more than 8 bits a pixel"):
        read(folder)


def test_a_folder_named_like_an_image_is_no_readable_image(folder: Path) -> None:
    (folder / "9.png").mkdir()
    with pytest.raises(UserError, match=r"9\.png: no readable PNG image"):
        read(folder)


def test_an_image_too_large_to_be_true_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(UserError, match="no readable PNG image"):
        open_images(folder, SCALES)
