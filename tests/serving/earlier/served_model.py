"""The model that Headway serves: one network that answers every task about rows of pixels, or several, each its own.

MLflow copies this file into each model it logs (models from code), so it stands alone: it imports nothing of
`pipeline`, reads its networks from `spec.json` and its weights from `weights.safetensors`, and unpickles nothing.

A row of images has the columns `pixel_0` ... `pixel_{F-1}`: values as the source stores them, not yet divided by its
scale. A row of a table has the table's own input columns; what is missing there, or was never seen in training, is
treated as in training. A text has the one column `text`; tokens of sources that came in tokens are parted by spaces
there. The answer has for each task whose source has such rows, by kind of task:

- multiclass and binary: `<task>/label`, the predicted class as its index from 0, and `<task>/probability/<index>` for
  each class;
- multilabel: `<task>/label/<index>`, 1 where its probability is above the label's threshold, else 0, and
  `<task>/probability/<index>` for each label;
- regression: `<task>/value`, in the target's own unit, clipped to the range that the spec may name;
- tagging: `<task>/tags`, a tag for each token, parted by spaces, and `<task>/entities`, a JSON list of objects with
  `text`, `type`, and `start` and `end`, the first token and the one after the last. Texts that are longer than what the
  network reads are tagged in pieces; tasks of other kinds see the first.

Tasks share one pass through their trunk, except where their sources differ in scale or are normalised apart
(`batch_per_source`): then the trunk runs once a source, and each task is answered with its own source's statistics.

Names of classes and labels, and thresholds, stand in the spec and in the model's metadata. A trunk may hold a module of
torchvision, which the package then requires, or of the user's own, whose code lies in the package beside this file.

Legend of shapes: B rows, F values of a row, C classes or labels, T tokens of a row, H values of a token.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.pyfunc.model import PythonModel
from safetensors.torch import load_file
from torch import Tensor, nn

_CHUNK = 1024  # rows that pass through the network at a time
_PIXEL = "pixel_"
_TEXT = "text"
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True)
class _Rows:
    """What the rows of a source look like from outside; sources that look alike are equal."""

    columns: tuple[str, ...]
    table: str = ""  # a table's source
    text: str = ""  # that of a text

    @classmethod
    def of(cls, name: str, source: Mapping[str, Any]) -> "_Rows":
        if _is_text(source):
            return cls((_TEXT,), text=name)
        if encoding := source.get("encoding"):
            return cls(tuple(column["name"] for column in encoding["columns"]), name)
        return cls(tuple(f"{_PIXEL}{index}" for index in range(int(np.prod(source["shape"])))))

    @property
    def shown(self) -> str:
        first, last = self.columns[0], self.columns[-1]
        if self.text:
            return f"the one column is {first}"
        return f"the columns are {', '.join(self.columns) if self.table else f'{first} to {last}'}"


@dataclass(frozen=True)
class _Trunk:
    """A trunk as the rows of one scale and one group of statistics pass it, and the heads that read it."""

    rows: _Rows
    scale: float
    layers: nn.Sequential
    heads: Mapping[str, nn.Sequential]


class ServedModel(PythonModel):
    """A network, or several, read from a spec and its weights."""

    def load_context(self, context: Any) -> None:
        """Build the networks; MLflow calls this when it loads the model."""
        self._spec = json.loads(Path(context.artifacts["spec"]).read_text(encoding="utf-8"))
        self._trunks = build(self._spec, load_file(context.artifacts["weights"]))
        code = {name: importlib.import_module(it) for name, it in self._spec.get("code", {}).items()}
        self._texts = code["text"].Texts(self._spec, self.answers) if "text" in code else None
        self._asked = code["preference"].Asked(self._spec) if "preference" in code else nullcontext

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer every task for every row.

        Args:
            context: Not used; everything was read when the model was loaded.
            model_input: The columns of a source in any order. Pixels are any numbers, none missing.
            params: `preference`, of a network that is given one: a share of each task, in the order of the spec.

        Returns:
            Labels (int64), probabilities (float32), values (float64), tags and entities (text), a row a row, under the
            index of the input.

        Raises:
            ValueError: A column is missing, unknown or no number; a value missing, infinite or no text; no preference.
        """
        rows = self._rows(model_input)
        if rows.text and self._texts:
            return pd.DataFrame(self._texts.answer(model_input), index=model_input.index)
        with self._asked(params):
            parts = [
                self._answer(rows, self._values(rows, model_input.iloc[start : start + _CHUNK], start))
                for start in range(0, max(len(model_input), 1), _CHUNK)
            ]
        return pd.DataFrame(
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, index=model_input.index
        )

    def answers(self, source: str, values: np.ndarray) -> pd.DataFrame:
        """Answer every task about rows [B, F] of a source that are encoded already, as prepared data have them.

        The tags of a row are an array of numbers [T].
        """
        rows = _Rows.of(source, self._spec["sources"][source])
        parts = [
            self._answer(rows, torch.from_numpy(np.array(values[start : start + _CHUNK], np.float32)))
            for start in range(0, max(len(values), 1), _CHUNK)
        ]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return pd.DataFrame({name: list(it) if it.ndim > 1 else it for name, it in joined.items()})

    def _rows(self, frame: pd.DataFrame) -> _Rows:
        """What the caller's rows are: of all that the model reads, what has most columns in common."""
        known = list(dict.fromkeys(trunk.rows for trunk in self._trunks))
        rows = min(known, key=lambda it: (len(set(it.columns) ^ set(frame.columns)), len(it.columns)))
        if missing := [name for name in rows.columns if name not in frame.columns]:
            raise ValueError(f"{_some(missing)} missing: {rows.shown}")
        if frame.columns.duplicated().any():
            raise ValueError(f"{_some(list(frame.columns[frame.columns.duplicated()]))} there twice: {rows.shown}")
        unknown = [str(name) for name in frame.columns.difference(rows.columns, sort=False)]
        if unknown and not rows.table:  # a table may have columns that are no inputs
            raise ValueError(f"{_some(unknown)} unknown: {rows.shown}")
        return rows

    def _values(self, rows: _Rows, frame: pd.DataFrame, first: int) -> Tensor:
        """Rows as the network takes them, float32 [B, F]; `first` is the number of the frame's first row."""
        if not rows.table:
            return _values(frame[list(rows.columns)], first)
        encoding, code = self._spec["sources"][rows.table]["encoding"], self._spec["code"]["table"]
        values: Tensor = importlib.import_module(code).encoded(encoding, frame, first)
        return values

    def _answer(self, rows: _Rows, values: Tensor) -> dict[str, np.ndarray]:
        """Answers to rows [B, F], by column."""
        logits: dict[str, Tensor] = {}
        with torch.inference_mode():
            for trunk in self._trunks:
                if trunk.rows == rows:
                    x = trunk.layers(values / trunk.scale)
                    logits |= {task: head(x) for task, head in trunk.heads.items()}
            answers: dict[str, np.ndarray] = {}
            for task, about in self._spec["tasks"].items():
                if task in logits:
                    answers |= {f"{task}/{name}": it.numpy() for name, it in _decide(about, logits[task]).items()}
                if f"{task}/tags" in answers:
                    tokens = self._spec["sources"][rows.text]["shape"][0]
                    answers[f"{task}/tags"] = answers[f"{task}/tags"].reshape(len(values), tokens)
        return answers


def _decide(about: Mapping[str, Any], logits: Tensor) -> dict[str, Tensor]:
    """Columns [B] of a task's answer, by name, from logits [B, C], or [B, 1] of a binary or regression task."""
    match about["kind"]:
        case "regression":
            value = logits[:, 0].double() * about["std"] + about["mean"]
            clipped = value.clamp(about.get("low", -torch.inf), about.get("high", torch.inf))
            return {"value": clipped.where(value.isfinite(), value)}
        case "multilabel":
            chances = torch.sigmoid(logits)
            present = (chances > torch.tensor(about["thresholds"])).long()
            return {f"label/{index}": column for index, column in enumerate(present.t())} | _probabilities(chances)
        case "tagging":
            return {"tags": logits.argmax(1)}
        case "binary":
            # Each by its own sigmoid: 1 - p would round small probabilities away.
            both = torch.sigmoid(torch.cat([-logits, logits], 1))
            return {"label": (logits[:, 0] > 0).long()} | _probabilities(both)
        case _:
            return {"label": logits.argmax(1)} | _probabilities(torch.softmax(logits, 1))


def _probabilities(values: Tensor) -> dict[str, Tensor]:
    return {f"probability/{index}": column for index, column in enumerate(values.t())}


def _values(frame: pd.DataFrame, first: int) -> Tensor:
    """A frame as float32 [B, F]; `first` is its first row's number."""
    for name, dtype in frame.dtypes.items():
        if dtype.kind not in "biuf":
            raise ValueError(f"column '{name}' holds no numbers but {dtype}")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        values = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    if not (finite := np.isfinite(values)).all():
        row, column = np.argwhere(~finite)[0]
        found = frame.iat[row, column]
        raise ValueError(f"row {first + row} (from 0), column '{frame.columns[column]}': {found} is no finite number")
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))  # pandas hands out read-only arrays


def build(spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[_Trunk]:
    """The network's trunks with their heads."""
    network, sources, trunks = spec["network"], spec["sources"], []
    for branch in network["branches"]:
        apart = any(layer.get("sources") for layer in _every(branch["trunk"]))
        groups: dict[tuple[float, str], list[str]] = {}
        for task in branch["heads"]:
            source = network["source_of"][task]
            # Sources part a text into tokens in several ways.
            own = source if apart or _is_text(sources[source]) else ""
            groups.setdefault((sources[source]["scale"], own), []).append(task)
        for (scale, source), tasks in groups.items():
            rows = _Rows.of(network["source_of"][tasks[0]], sources[network["source_of"][tasks[0]]])
            layers = _layers(branch["trunk"], branch["name"], tensors, source)
            heads = {task: _layers(branch["heads"][task], f"head.{task}", tensors, source) for task in tasks}
            if code := branch.get("code"):
                heads = importlib.import_module(code).on_their_parts(heads, branch["reads"])
            trunks.append(_Trunk(rows, scale, layers, heads))
    return trunks


def _layers(described: list[dict[str, Any]], name: str, tensors: Mapping[str, Tensor], source: str) -> nn.Sequential:
    layers = []
    for index, about in enumerate(described):
        prefix = f"{name}.{index}."
        own = {full.removeprefix(prefix): tensor for full, tensor in tensors.items() if full.startswith(prefix)}
        layers.append(_layer(about, own, source))
    return nn.Sequential(*layers).eval()


def _every(described: Any) -> Iterator[dict[str, Any]]:
    """The layers, and those that they consist of."""
    if isinstance(described, dict):
        yield described
        described = list(described.values())
    for inner in described if isinstance(described, list) else ():
        yield from _every(inner)


def _layer(about: dict[str, Any], tensors: dict[str, Tensor], source: str) -> nn.Module:
    """A layer that uses these tensors themselves; the statistics are those of `source` where sources have their own."""
    layer: nn.Module
    if code := about.get("code"):
        return nn.Sequential(importlib.import_module(code).layer(about, tensors, source, _layers))
    match about["kind"]:
        case "residual":
            return _Residual(*(_layers(about[path], path, tensors, source) for path in ("inner", "shortcut")))
        case "repeat":
            return _Repeat(about["times"])
        case "module":
            return _OnShaped(_module(about, tensors), about["shape"])
    with torch.device("meta"):  # neither memory nor random draws for initial values that are replaced at once
        match about["kind"]:
            case "linear":
                layer = nn.Linear(about["inputs"], about["outputs"])
            case "conv2d":
                options = {name: about[name] for name in ("stride", "padding", "bias")}
                layer = nn.Conv2d(about["shape"][0], about["channels"], about["window"], **options)
            case "max_pool2d":
                layer = nn.MaxPool2d(about["window"])
            case "average_pool2d":
                layer = nn.AdaptiveAvgPool2d(1)
            case "batch_norm" | "batch_norm2d" as kind:
                norm = nn.BatchNorm1d if kind == "batch_norm" else nn.BatchNorm2d
                layer = norm(about["width"], about["epsilon"])
                of = f".{source}" if about["sources"] else ""
                statistics = {"running_mean": tensors[f"mean{of}"], "running_var": tensors[f"variance{of}"]}
                tensors = {name: tensors[name] for name in ("weight", "bias")} | statistics
                tensors["num_batches_tracked"] = torch.tensor(0, device="cpu")
            case "layer_norm":
                layer = nn.LayerNorm(about["width"], about["epsilon"])
            case "activation":
                layer = _ACTIVATIONS[about["name"]]()
            case "dropout":
                layer = nn.Identity()
            case kind:
                raise ValueError(f"the spec names a layer of unknown kind '{kind}'")
    layer.load_state_dict(tensors, assign=True)
    return _OnShaped(layer, about["shape"]) if about["kind"].endswith("2d") else layer


def _module(about: dict[str, Any], tensors: dict[str, Tensor]) -> nn.Module:
    """A module of torchvision or of one's own, on its values: buffers were kept as float32."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        module: nn.Module = pkgutil.resolve_name(about["module"])(**about["arguments"]).float().eval()
        module(torch.zeros(2, *about["shape"]))  # lazy layers learn their sizes
        for name, it in (*module.named_parameters(), *module.named_buffers()):
            it.copy_(tensors[name])
    return module


class _OnShaped(nn.Module):
    """A module that takes rows of a shape, between flat ones."""

    def __init__(self, module: nn.Module, shape: list[int]) -> None:
        super().__init__()
        self.module, self.shape = module, shape

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.module(x.unflatten(1, self.shape)), 1)


class _Residual(nn.Module):
    """Adds what its layers answer to the input, or to what a shortcut makes of it."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.inner(x), self.shortcut(x))


class _Repeat(nn.Module):
    """Every row several times side by side."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, self.times)


def _is_text(source: Mapping[str, Any]) -> bool:
    return bool(source.get("encoding", {}).get("kind") == "text")


def _some(names: list[str]) -> str:
    """The first few of many columns, with their verb."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{'column' if len(names) == 1 else 'columns'} {shown}{more} {'is' if len(names) == 1 else 'are'}"


mlflow.models.set_model(ServedModel())
