"""Small files of text whose labels follow from it, and an experiment on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from tests.data.files import quiet

_FILLERS = ["the", "a", "we", "saw", "yesterday", "near", "with", "and", "then", "today"]
_NAMES = {"person": ["Anna", "Bo Li", "Carla"], "place": ["Oslo", "New York", "Lima"]}
_MOODS = {"good": ["great", "lovely"], "bad": ["awful", "poor"]}


def conll(sentences: int, seed: int = 0, tab: str = "\t") -> str:
    """Sentences with names of persons and places."""
    draws = np.random.default_rng(seed)
    lines: list[str] = []
    for _ in range(sentences):
        for _ in range(draws.integers(1, 4)):
            lines += [f"{word}{tab}O" for word in draws.choice(_FILLERS, draws.integers(1, 4))]
            kind = str(draws.choice(list(_NAMES)))
            first, *others = str(draws.choice(_NAMES[kind])).split()
            lines += [f"{first}{tab}B-{kind}", *(f"{other}{tab}I-{kind}" for other in others)]
        lines.append("")
    return "\n".join(lines) + "\n"


def posts(count: int, seed: int = 0, missing: float = 0.2) -> str:
    """JSON lines with a mood, and the number of words as stars."""
    draws = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        mood = str(draws.choice(list(_MOODS)))
        words = [*draws.choice(_FILLERS, draws.integers(1, 6)), str(draws.choice(_MOODS[mood]))]
        told = {"body": " ".join(map(str, words)) + "!", "stars": len(words)}
        lines.append(json.dumps(told | {"mood": None if draws.random() < missing else mood}))
    return "\n".join(lines) + "\n"


def written(folder: Path, **contents: str | bytes) -> Path:
    """Files by name, `__` for the dot."""
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


SOURCES: dict[str, Any] = {
    "names": {"kind": "tokens", "path": "names.conll"},
    "posts": {"kind": "text", "path": "posts.jsonl", "text": "body"},
}
TASKS: dict[str, Any] = {
    "who": {"kind": "tagging", "source": "names"},
    "mood": {"kind": "binary", "source": "posts"},
    "stars": {"kind": "regression", "source": "posts"},
}


def experiment(sources: dict[str, Any] | None = None, tasks: dict[str, Any] | None = None, **more: Any) -> Experiment:
    """On the small files; or on other sources and tasks."""
    data = {"validation": 0.2, "test": 0.2} | more.pop("data", {})
    trunk = {"kind": "lstm", "embedding": 8, "widths": [6]} | more.pop("trunk", {})
    tree = {"name": "small", "sources": sources or SOURCES, "tasks": tasks or TASKS, "data": data, "tuning": None}
    return Experiment.model_validate(tree | {"model": {"trunk": trunk}} | more)


def small(folder: Path) -> Path:
    """A folder with both files."""
    return written(folder, names__conll=conll(60), posts__jsonl=posts(80))


def prepared(folder: Path, like: Experiment, into: Path, report: Any = quiet) -> Prepared:
    """What these files are prepared into."""
    into.mkdir(exist_ok=True)
    prepare(like, Place("full", folder, None, folder, folder), into, report)
    return open_prepared(into)
