"""What all conformance tests share."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from pipeline.plugins import fingerprint


class Conformance:
    """Tests of a part of one's own.

    Attributes:
        path: Of the part, as an experiment says it: `package.module:Class`.
        arguments: Keyword arguments of the class, as in an experiment.
    """

    path: ClassVar[str]
    arguments: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def test_its_arguments_survive_being_written_as_json(self) -> None:
        """They are kept in runs and models."""
        written = dict(self.arguments)
        assert json.loads(json.dumps(written)) == written, f"{written} is not the same after JSON"

    def test_its_code_is_found_and_known_by_a_fingerprint(self) -> None:
        """It counts in the keys of steps."""
        assert fingerprint(self.path) == fingerprint(self.path)
