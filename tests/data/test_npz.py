"""npz files: read by rows, nothing unpickled, no promise believed."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.sources import npz
from pipeline.errors import UserError

ROWS = np.arange(7 * 2 * 3, dtype=np.uint8).reshape(7, 2, 3)


def saved(folder: Path, packed: bool = True, **arrays: np.ndarray) -> Path:
    (np.savez_compressed if packed else np.savez)(folder / "it.npz", **arrays)
    return folder / "it.npz"


def member(name: str, array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """A `.npy` file whose header may promise another shape."""
    content = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue() + array.tobytes()


def zipped(folder: Path, content: bytes) -> Path:
    with zipfile.ZipFile(folder / "it.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("it.npy", content)
    return folder / "it.npz"


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        [list(it.chunks(3)) for it in npz.members(path).values()]
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("packed", [True, False])
def test_arrays_come_some_rows_at_a_time(tmp_path: Path, packed: bool) -> None:
    found = npz.members(saved(tmp_path, packed, images=ROWS, labels=np.arange(7)))
    assert {name: (it.shape, it.dtype) for name, it in found.items()} == {
        "images": ((7, 2, 3), np.uint8), "labels": ((7,), np.int64),
    }  # fmt: skip
    chunks = list(found["images"].chunks(3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), ROWS)
    np.testing.assert_array_equal(found["labels"].array(), np.arange(7))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    assert refused(saved(tmp_path, it=np.array([{}, []], object))) == "'it' holds Python objects, not whole numbers"


def test_other_types_and_orders_and_empty_arrays_are_refused(tmp_path: Path) -> None:
    assert refused(saved(tmp_path, it=np.zeros(3))) == "'it' holds float64, not whole numbers"
    assert "Fortran's order" in refused(saved(tmp_path, it=np.asfortranarray(ROWS)))
    assert refused(saved(tmp_path, it=ROWS[:0])) == "'it' holds no rows"


@pytest.mark.parametrize("shape", [(8, 2, 3), (6, 2, 3), (2**40, 2, 3)])
def test_a_header_that_lies_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    promised = " x ".join(map(str, shape))
    line = f"'it' promises an array of {promised}, and has 42 bytes for it"
    assert refused(zipped(tmp_path, member("it", ROWS, shape))) == line


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    size = 1 << 28
    with zipfile.ZipFile(tmp_path / "it.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("it.npy", "w") as it:
        np.lib.format.write_array_header_1_0(it, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
        for _ in range(size >> 20):
            it.write(bytes(1 << 20))
    assert (tmp_path / "it.npz").stat().st_size < 1 << 19
    assert refused(tmp_path / "it.npz").startswith("'it' promises 268,435,")


@pytest.mark.parametrize("lie", [-6, 6])
def test_a_zip_file_that_lies_about_sizes_is_refused(tmp_path: Path, lie: int) -> None:
    content = bytearray(zipped(tmp_path, member("it", ROWS, (7 + lie // 6, 2, 3))).read_bytes())
    place = content.rindex(b"PK\x01\x02") + 24  # the unpacked size in the directory
    content[place : place + 4] = (int.from_bytes(content[place : place + 4], "little") + lie).to_bytes(4, "little")
    (tmp_path / "it.npz").write_bytes(content)
    assert refused(tmp_path / "it.npz").startswith("'it': corrupted or truncated (")


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b"x" * len(b), lambda b: b[:200], lambda b: b[:-30]])
def test_a_truncated_file_is_refused(tmp_path: Path, spoil) -> None:
    path = saved(tmp_path, images=ROWS, labels=np.arange(7))
    path.write_bytes(spoil(path.read_bytes()))
    assert "corrupted or truncated" in refused(path)


def test_damaged_values_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, packed=False, images=ROWS)
    content = bytearray(path.read_bytes())
    content[content.index(ROWS.tobytes()) + 20] ^= 1
    path.write_bytes(content)
    assert refused(path).startswith("'images': corrupted or truncated (Bad CRC-32")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "it.npz") == "no such file"
