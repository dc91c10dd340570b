import pytest

from pipeline.config import load
from pipeline.errors import UserError


@pytest.fixture
def written(tmp_path):
    """Write an experiment file and load it."""
    (tmp_path / "experiments").mkdir()

    def load_(text: str | bytes, **values):
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / "experiments" / "it.yaml").write_bytes(content)
        return load("it", {key.replace("__", "."): value for key, value in values.items()}, tmp_path)

    return load_


@pytest.fixture
def problem(written):
    """The one line with which a file is refused."""

    def refuse(text: str | bytes, **values) -> str:
        with pytest.raises(UserError) as error:
            written(text, **values)
        line = str(error.value)
        assert "\n" not in line
        assert line.startswith("it.yaml: ")
        return line.removeprefix("it.yaml: ")

    return refuse
