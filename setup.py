"""Lays the experiments that ship, and their small data, into the wheel as data of the package `headway`.

Everything else is in pyproject.toml. What ships is listed in `experiments/shipped.txt`: other files may lie beside it.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_FROM, _TO = Path("experiments"), Path("headway", "experiments")


def _shipped() -> list[str]:
    """The files, by their path in `experiments`."""
    return ["shipped.txt", *(_FROM / "shipped.txt").read_text(encoding="utf-8").split()]


class BuildWithExperiments(build_py):
    """Builds the packages, and copies the experiments into them; an editable installation reads them in the clone."""

    def run(self) -> None:
        """Build."""
        super().run()
        for source, target in [] if self.editable_mode else zip(_sources(), self._targets(), strict=True):
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """The files that are built."""
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else self._targets())]

    def get_source_files(self) -> list[str]:
        """The files that a source distribution holds."""
        return [*super().get_source_files(), *_sources()]

    def _targets(self) -> list[str]:
        return [str(Path(self.build_lib, _TO, name)) for name in _shipped()]


def _sources() -> list[str]:
    return [str(_FROM / name) for name in _shipped()]


setup(cmdclass={"build_py": BuildWithExperiments})
