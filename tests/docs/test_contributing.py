"""The guide for contributors names files that exist."""

import re

from tests.conftest import REPOSITORY


def test_paths_of_the_guide_exist() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:pipeline|tests|docs)/[\w/.]*)`", text))
    assert len(paths) > 30
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []
