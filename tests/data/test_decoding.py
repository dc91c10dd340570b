"""Image files as arrays: every mode and format, resized as training does, and one line for each broken file."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import decoding
from pipeline.data.decoding import decoded, is_image, size_of
from pipeline.errors import UserError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5), np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def saved(folder: Path, array: np.ndarray, name: str = "it.png") -> Path:
    Image.fromarray(array).save(folder / name)
    return folder / name


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "tiff", "gif", "webp"])
def test_grey_pixels_are_those_of_the_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"it.{ending}"
    Image.fromarray(GREY).save(path, **({"lossless": True} if ending == "webp" else {}))
    assert size_of(path) == (6, 5)
    np.testing.assert_array_equal(decoded(path, "grey"), GREY)


def test_colours_come_first(tmp_path: Path) -> None:
    array = decoded(saved(tmp_path, COLOUR), "rgb")
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, COLOUR.transpose(2, 0, 1))


def test_grey_images_have_three_equal_channels_where_colours_are_asked_for(tmp_path: Path) -> None:
    np.testing.assert_array_equal(decoded(saved(tmp_path, GREY), "rgb"), np.stack([GREY] * 3))


def test_a_jpeg_is_read(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    array = decoded(saved(tmp_path, flat, "it.JPG"), "rgb")
    assert np.abs(array.astype(int) - flat.transpose(2, 0, 1)).max() < 5


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path: Path) -> None:
    Image.fromarray(GREY).convert("P").save(tmp_path / "it.png", transparency=b"\0" * 256)
    np.testing.assert_array_equal(decoded(tmp_path / "it.png", "grey"), GREY)


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    small = decoded(saved(tmp_path, stripes), "grey", (8, 8))
    assert small.shape == (8, 8)
    assert np.abs(small.astype(int) - 128).max() < 8


def test_an_image_of_the_size_asked_for_is_left_alone(tmp_path: Path) -> None:
    np.testing.assert_array_equal(decoded(saved(tmp_path, COLOUR), "rgb", (6, 5)), COLOUR.transpose(2, 0, 1))


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        decoded(path, "rgb")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize("name", ["it.png", "it.jpg", "it.bmp", "it.tif", "it.gif", "it.webp"])
@pytest.mark.parametrize("left", [0.2, 0.6, 0.9])
def test_a_truncated_image_is_refused(tmp_path: Path, name: str, left: float) -> None:
    path = saved(tmp_path, RNG.integers(0, 256, (64, 64, 3), np.uint8), name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])
    assert refused(path).startswith((": broken or truncated image", ": no readable image"))


def test_an_empty_file_and_what_is_no_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert refused(tmp_path / "a.png") == ": is empty"
    (tmp_path / "b.png").write_text("no image")
    assert refused(tmp_path / "b.png") == ": no readable image (PNG, JPEG, BMP, GIF, TIFF, WEBP)"
    assert "No such file" in refused(tmp_path / "c.png")


def test_damaged_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, RNG.integers(0, 256, (64, 64, 3), np.uint8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert refused(path).startswith(": broken or truncated image")


@pytest.mark.parametrize("name", ["it.png", "it.tif"])
def test_deep_images_are_refused_rather_than_cut_off(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, GREY.astype(np.uint16) * 257, name)
    assert refused(path) == ": more than 8 bits a channel; save it with 8"


def test_deep_colours_are_refused_rather_than_cut_off(tmp_path: Path) -> None:
    path = saved(tmp_path, COLOUR)
    content = bytearray(path.read_bytes())
    content[24] = 16  # bits a channel, in the header; its checksum follows the header's 17 bytes
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    path.write_bytes(content)
    assert refused(path) == ": more than 8 bits a channel; save it with 8"


@pytest.mark.parametrize("limit", [10, 20])
def test_an_image_too_large_to_be_true_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(decoding.Image, "MAX_IMAGE_PIXELS", limit)
    assert refused(saved(tmp_path, GREY)) == f": more than {limit} pixels: too large to be unpacked"


def test_a_decompression_bomb_takes_no_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    Image.new("1", (1, 1)).save(header, "PNG")
    content = bytearray(header.getvalue())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    (tmp_path / "it.png").write_bytes(content)
    assert "too large to be unpacked" in refused(tmp_path / "it.png")


def test_images_are_known_by_their_endings() -> None:
    assert [name for name in ("a.png", "b.JPEG", "c.txt", ".d.png", "e") if is_image(name)] == ["a.png", "b.JPEG"]
