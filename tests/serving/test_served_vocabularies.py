"""Models whose text is subwords carry what makes them: raw texts are answered as training would have them encoded."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.config import Experiment
from pipeline.data.encodings.text import TextEncoding
from pipeline.data.encodings.words import tokens_of
from pipeline.data.prepared import Prepared
from pipeline.serving.open_model import described, open_model
from pipeline.training.saved import load_network
from tests import encoders
from tests.data import texts
from tests.serving.packages import SLOTS, log, save, store

pytest.importorskip("transformers")

TEXTS = ["Anna saw Bo Li near New York", "", "then we saw Oslo , lovely !", " ".join(["Anna saw the"] * 20), "Zoë ☃"]


class Served(NamedTuple):
    """A logged model, and what it was made of."""

    uri: str
    saved: Path
    data: Prepared
    like: Experiment


@pytest.fixture(scope="module", params=["subwords", "huggingface"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "subwords":
        like = texts.experiment(data={"text": {"kind": "subwords", "subwords": 100, "length": 16}})
    else:
        model = {"trunk": {"kind": "huggingface", "model": str(encoders.encoder(folder / "encoder"))}}
        tree = texts.experiment(data={"text": {"length": 16}}).model_dump(exclude={"model"}, exclude_unset=True)
        like = Experiment.model_validate(tree | {"model": model})
    data = texts.prepared(texts.small(folder / "raw"), like, folder / "made")
    (folder / "saved").mkdir()
    path = save(folder / "saved", like, data, spread=0.3)
    (folder / "store").mkdir()
    with store(folder / "store") as client:
        yield Served(log(client, path), path, data, like)


def test_raw_texts_are_answered_as_the_network_answers_their_rows(served: Served) -> None:
    network, slots = load_network(served.saved, served.data, served.like)
    model = open_model(served.uri).unwrap_python_model()
    found = model.predict(None, pd.DataFrame({"text": TEXTS}))
    assert len(model.predict(None, pd.DataFrame({"text": pd.Series([], dtype=object)}))) == 0
    for source, task in (("names", "who"), ("posts", "stars")):
        about = served.data.sources[source].encoding
        assert about is not None
        tokens = [tokens_of(text, about["parted"]) for text in TEXTS]
        rows = TextEncoding(about).encode(tokens).reshape(len(TEXTS), 1, -1)
        logits = network.forward({source: torch.from_numpy(rows).float().transpose(0, 1)})[task][slots.index(SLOTS[0])]
        if task == "stars":
            about = served.data.tasks["stars"]
            stars = (logits[:, 0] * about.std + about.mean).clip(about.low, about.high)
            np.testing.assert_allclose(found["stars/value"], stars, rtol=1e-4)
            continue
        classes = served.data.tasks["who"].classes
        tags = logits.argmax(-1).view(len(TEXTS), -1)
        for row, said in enumerate(found["who/tags"]):
            kept = min(len(tokens[row]), tags.shape[1])
            assert said.split()[:kept] == [classes[it] for it in tags[row, :kept]]
            assert len(said.split()) == len(tokens[row])


def test_the_model_needs_neither_pipeline_nor_the_folder_of_the_encoder(served: Served, tmp_path: Path) -> None:
    folder = mlflow.artifacts.download_artifacts(served.uri, dst_path=str(tmp_path))
    model = served.like.tokenizer
    wanted = open_model(served.uri).predict(pd.DataFrame({"text": TEXTS}))["stars/value"].tolist()
    if model:
        shutil.move(model, tmp_path / "gone")
    code = (
        "import sys; sys.modules['pipeline'] = None\n"
        "import json, mlflow, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model({folder!r})\n"
        f"print(json.dumps(model.predict(pd.DataFrame({{'text': {TEXTS!r}}}))['stars/value'].tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    if model:
        shutil.move(tmp_path / "gone", model)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), wanted, rtol=1e-5)


def test_the_package_says_what_it_requires_and_nothing_of_this_machine(served: Served, tmp_path: Path) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(served.uri, dst_path=str(tmp_path)))
    required = (folder / "requirements.txt").read_text()
    pinned = [bool(re.search(rf"^{name}==\d", required, re.M)) for name in ("transformers", "tokenizers")]
    assert pinned == [bool(served.like.tokenizer)] * 2
    spec = next(folder.rglob("spec.json")).read_text()
    assert str(served.saved.parent.parent) not in spec
    about: dict[str, Any] = described(open_model(served.uri))["sources"]["posts"]["encoding"]
    assert not {"words", "tokenizer"} & set(about)
