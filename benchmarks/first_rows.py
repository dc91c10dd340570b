"""Writes the first rows of MNIST's training files, and all of its test files, to a folder that `data.root` can name.

`python -m benchmarks.first_rows --root FOLDER --rows 20000 --to OTHER_FOLDER`: for a comparison on fewer rows.
"""

import gzip
import shutil
import struct
from pathlib import Path

import click

_RAW = Path("MNIST") / "raw"
_TRAIN = {"train-images-idx3-ubyte.gz": 28 * 28, "train-labels-idx1-ubyte.gz": 1}
"""Bytes of a row."""


def first_rows(root: Path, to: Path, rows: int) -> None:
    """Write them.

    Args:
        root: Holds `MNIST/raw` with the gzipped IDX files.
        to: Gets a `MNIST/raw` of its own.
        rows: How many.
    """
    (to / _RAW).mkdir(parents=True, exist_ok=True)
    for path in (root / _RAW).glob("*.gz"):
        if path.name not in _TRAIN:
            shutil.copy(path, to / _RAW)
            continue
        content = gzip.decompress(path.read_bytes())
        dimensions = content[3]
        begins = 4 + 4 * dimensions
        count = min(rows, struct.unpack(">I", content[4:8])[0])
        header = content[:4] + struct.pack(">I", count) + content[8:begins]
        kept = content[begins : begins + count * _TRAIN[path.name]]
        (to / _RAW / path.name).write_bytes(gzip.compress(header + kept, mtime=0))


@click.command()
@click.option("--root", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--to", required=True, type=click.Path(path_type=Path))
@click.option("--rows", default=20_000, show_default=True)
def main(root: Path, to: Path, rows: int) -> None:
    """Write the first rows of MNIST's training files."""
    first_rows(root, to, rows)


if __name__ == "__main__":
    main()
