"""`headway` with the splits of seed 0 whatever the experiment's seed: studies of several seeds, one validation split.

python -m benchmarks.same_rows prepare mnist_fashion --set seed=3
"""

from typing import Any
from unittest.mock import patch

from pipeline.cli import cli
from pipeline.data import view
from pipeline.data.splitting import split

_SEED = 0


def _split(name: str, examples: Any, labels: list[str], validation: float, test: float, _: int) -> Any:
    return split(name, examples, labels, validation, test, _SEED)


if __name__ == "__main__":
    with patch.object(view, "split", _split):
        cli()
