"""The whole job on the experiments whose two tasks share an image, on few rows of the sample that ships."""

from pathlib import Path

import pytest

from pipeline.data.prepared import open_prepared
from pipeline.data.sources import idx
from tests.conftest import REPOSITORY, Headway
from tests.data.files import write_mnist

ROWS = {"train": 600, "t10k": 200}
KINDS = {"images-idx3-ubyte": (28, 28), "labels-idx1-ubyte": ()}
SMALL = (
    "--set", "training.epochs=2", "--set", "training.seeds=2", "--set", "tuning.trials=2", "--set", "tuning.batch=2",
)  # fmt: skip


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """The first rows of both data sets, in a root of their own."""
    for folder in ("MNIST", "FashionMNIST"):
        shipped = REPOSITORY / "experiments" / "data" / folder / "raw"
        arrays = {
            f"{part}-{kind}": idx.read(idx.find(shipped, f"{part}-{kind}"), item)[:rows]
            for part, rows in ROWS.items()
            for kind, item in KINDS.items()
        }
        write_mnist(tmp_path / "data" / folder / "raw", arrays)
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["multi_mnist", "multi_fashion", "fashion_and_mnist"])
def test_both_tasks_are_prepared_from_one_image(name: str, few: Path, project: Path, headway: Headway) -> None:
    ran = headway("prepare", name, "--data.variant", "full", "--data.root", str(few))
    assert ran.code == 0, ran.err
    (folder,) = (path for path in (project / ".headway" / "prepared").iterdir() if path.is_dir())
    prepared = open_prepared(folder)
    assert prepared.sources[name].shape == (28, 28)
    assert prepared.sources[name].rows == {"train": 540, "validation": 60, "test": 200}
    assert prepared.split("train").inputs[name].dtype == "uint8"


def test_the_job_reports_on_both_tasks(few: Path, project: Path, headway: Headway) -> None:
    ran = headway("run", "fashion_and_mnist", "--data.variant", "full", "--data.root", str(few), *SMALL, "--json")
    assert ran.code == 0, ran.err
    page = Path(ran.json["report"]).read_text()
    assert "digit: accuracy" in page
    assert "garment: accuracy" in page
