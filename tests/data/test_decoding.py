"""Image files as arrays: every mode and format, resized as training does, and one line for each broken file."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from pipeline.data import decoding
from pipeline.data.decoding import decoded, is_image
from pipeline.errors import UserError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5), np.uint8)
LOSSLESS: dict[str, dict] = {"it.webp": {"lossless": True}}
COLOUR = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def saved(folder: Path, array: np.ndarray, name: str = "it.png") -> Path:
    Image.fromarray(array).save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    "ending", ["png", "bmp", "tif", "tiff", "gif", "webp", "pgm", "pnm", "pcx", "tga", "jp2", "sgi"]
)
def test_grey_pixels_are_those_of_the_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"it.{ending}"
    Image.fromarray(GREY).save(path, **({"lossless": True} if ending == "webp" else {}))
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
    assert refused(path).startswith((": broken or truncated image", ": no image of a format"))


def test_an_empty_file_and_what_is_no_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert refused(tmp_path / "a.png") == ": is empty"
    (tmp_path / "b.png").write_text("no image")
    assert refused(tmp_path / "b.png") == ": no image of a format that Pillow reads"
    assert "No such file" in refused(tmp_path / "c.png")


def test_damaged_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, RNG.integers(0, 256, (64, 64, 3), np.uint8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert refused(path).startswith(": broken or truncated image")


@pytest.mark.parametrize("name", ["it.png", "it.tif", "it.pgm"])
def test_16_bits_are_scaled_to_8(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, GREY.astype(np.uint16) * 257, name)
    np.testing.assert_array_equal(decoded(path, "grey"), GREY)
    np.testing.assert_array_equal(decoded(path, "rgb"), np.stack([GREY] * 3))


def test_floats_are_0_to_1_and_others_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, (GREY / 255).astype(np.float32), "it.tif")
    np.testing.assert_array_equal(decoded(path, "grey"), GREY)
    for wrong in (GREY.astype(np.float32), np.full((2, 2), np.nan, np.float32)):
        path = saved(tmp_path, wrong, "it.tiff")
        assert refused(path) == ": F values outside 0 to 1.0; save it with 8 or 16 bits a channel"
    path = saved(tmp_path, GREY.astype(np.int32), "it.tif")
    assert refused(path).startswith(": 32-bit integers, of which none is known to be white")


@pytest.mark.parametrize("mode", ["1", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "HSV"])
@pytest.mark.parametrize("name", ["it.png", "it.tif", "it.jpg", "it.gif", "it.webp"])
def test_every_mode_that_a_format_stores_is_read(tmp_path: Path, mode: str, name: str) -> None:
    half = Image.fromarray(np.repeat(np.array([[[255, 255, 255], [0, 0, 0]]], np.uint8), 8, 0).repeat(8, 1))
    try:
        half.convert(mode).save(tmp_path / name)
    except (OSError, ValueError):
        pytest.skip("no such mode in this format")
    assert (np.abs(decoded(tmp_path / name, "grey").astype(int) - np.asarray(half.convert("L"))) < 8).all()
    assert decoded(tmp_path / name, "rgb").shape == (3, 8, 16)


def test_of_several_frames_the_first_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((6, 5), level, np.uint8)) for level in (10, 200)]
    for name in ("it.tif", "it.gif", "it.png", "it.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **LOSSLESS.get(name, {}))
        assert set(decoded(tmp_path / name, "grey").ravel()) == {10}, name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["it.jpg", "it.png", "it.webp", "it.tif", "it.avif"])
def test_images_are_upright_by_their_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    marked = np.zeros((16, 24, 3), np.uint8)
    marked[:8, :8] = 255  # the upper left corner
    stored = Image.fromarray(marked)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / name, exif=exif, **LOSSLESS.get(name, {}))
    turned = {
        1: marked, 2: marked[:, ::-1], 3: marked[::-1, ::-1], 4: marked[::-1],
        5: marked.transpose(1, 0, 2), 6: np.rot90(marked, -1), 7: np.rot90(marked, 2).transpose(1, 0, 2),
        8: np.rot90(marked),
    }[orientation]  # fmt: skip
    array = decoded(tmp_path / name, "rgb").transpose(1, 2, 0)
    assert array.shape == turned.shape
    assert np.abs(array.astype(int) - turned).max() < 100
    flat = np.asarray(Image.fromarray(np.ascontiguousarray(turned)).resize((8, 8), Image.Resampling.BILINEAR))
    assert np.abs(decoded(tmp_path / name, "rgb", (8, 8)).transpose(1, 2, 0).astype(int) - flat).max() < 100


def test_damaged_metadata_leave_an_image_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "it.png", exif=b"Exif\0\0what is this")
    np.testing.assert_array_equal(decoded(tmp_path / "it.png", "rgb"), COLOUR.transpose(2, 0, 1))


def test_deep_colours_lose_their_lower_bits(tmp_path: Path) -> None:
    path = tmp_path / "it.ppm"
    path.write_bytes(b"P6 5 6 65535\n" + (COLOUR.astype(">u2") * 257).tobytes())
    np.testing.assert_array_equal(decoded(path, "rgb"), COLOUR.transpose(2, 0, 1))


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


def test_images_are_known_by_their_suffix_and_others_by_their_content(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPEG", "c.pgm", "d.jfif", "e.TIF", "f.jp2"):
        assert is_image(tmp_path / name)
    Image.fromarray(GREY).save(tmp_path / "named", "PNG")
    Image.fromarray(GREY).save(tmp_path / "it.0.75", "JPEG")
    (tmp_path / "labels.csv").write_text("P5,b\n1,2\n")
    (tmp_path / "it.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "it.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0")
    (tmp_path / "empty").touch()
    found = {path.name for path in tmp_path.iterdir() if is_image(path)}
    assert found == {"named", "it.0.75"}
    np.testing.assert_array_equal(decoded(tmp_path / "named", "grey"), GREY)


def test_a_suffix_may_be_that_of_another_format(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "it.jpg", "PNG")
    np.testing.assert_array_equal(decoded(tmp_path / "it.jpg", "grey"), GREY)
