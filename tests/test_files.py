"""Files that are given by name."""

import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.files import check_regular


def test_a_name_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    with pytest.raises(UserError, match="the name is not UTF-8: rename it"):
        check_regular(path, "--input")
    check_regular(tmp_path / "é\n.csv")
