"""The model that Headway serves: one network that answers every task about rows of pixels.

MLflow copies this file into each model it logs (models from code), so it stands alone: it imports nothing of
`pipeline`, reads its network from `spec.json` and its weights from `weights.safetensors`, and unpickles nothing.

A row has the columns `pixel_0` ... `pixel_{F-1}`: values as the source stores them, not yet divided by its scale.
Of text a row has the one column `text` instead; tokens of sources that came in tokens are parted by spaces there.
The answer has for each task whose source has rows of F values, or text, by kind of task:

- multiclass and binary: `<task>/label`, the predicted class as its index from 0, and `<task>/probability/<index>` for
  each class;
- multilabel: `<task>/label/<index>`, 1 where its probability is above the label's threshold, else 0, and
  `<task>/probability/<index>` for each label;
- regression: `<task>/value`, in the target's own unit;
- tagging: `<task>/tags`, a tag for each token, parted by spaces, and `<task>/entities`, a JSON list of objects with
  `text`, `type`, and `start` and `end`, the first token and the one after the last. Texts that are longer than what the
  network reads are tagged in pieces; tasks of other kinds see the first.

Names of classes and labels, and thresholds, stand in the spec and in the model's metadata.

Tasks share one pass through their trunk, except where their sources differ in scale or are normalised apart
(`batch_per_source`): then the trunk runs once a source, and each task is answered with its own source's statistics.

Legend of shapes: B rows, F values of a row, C classes or labels, T tokens of a row, H values of a token.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
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
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class _Trunk:
    """A trunk as the rows of one scale and one group of statistics pass it, and the heads that read it."""

    features: int
    scale: float
    layers: nn.Sequential
    heads: Mapping[str, nn.Sequential]

    def logits(self, rows: Tensor) -> dict[str, Tensor]:
        """What the heads answer to rows as stored, by task."""
        x = self.layers(rows / self.scale)
        return {task: head(x) for task, head in self.heads.items()}


class ServedModel(PythonModel):
    """A network read from a spec and its weights."""

    def load_context(self, context: Any) -> None:
        """Build the network; MLflow calls this when it loads the model."""
        self._spec = json.loads(Path(context.artifacts["spec"]).read_text(encoding="utf-8"))
        self._trunks = _build(self._spec, load_file(context.artifacts["weights"]))
        code = self._spec.get("code", {})
        self._texts = importlib.import_module(code["text"]).Texts(self._spec, self.answers) if code else None

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer every task for every row.

        Args:
            context: Not used; everything was read when the model was loaded.
            model_input: Columns `pixel_0` ... `pixel_{F-1}` in any order; any numbers, none missing. Or `text`.
            params: None are known.

        Returns:
            Labels (int64), probabilities (float32), values (float64) and text, a row a row, under the index of the
            input.

        Raises:
            ValueError: A column is missing, unknown or no number, or a value is missing or infinite, or no text.
        """
        if self._texts and (_TEXT in model_input.columns or all(map(_is_text, self._spec["sources"].values()))):
            return pd.DataFrame(self._texts.answer(model_input), index=model_input.index)
        columns = self._columns(model_input)
        parts = [
            self._answer(_values(model_input.iloc[start : start + _CHUNK][columns], start))
            for start in range(0, max(len(model_input), 1), _CHUNK)
        ]
        return pd.DataFrame(
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, index=model_input.index
        )

    def answers(self, source: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Answers of a source's tasks to rows [B, F] that are encoded already, by column; tags as numbers [B, T]."""
        network, found = self._spec["network"], {}
        with torch.inference_mode():
            for trunk in self._trunks:
                own = [task for task in trunk.heads if network["source_of"][task] == source]
                logits = trunk.logits(torch.from_numpy(rows).float()) if own else {}
                for task in own:
                    about = self._spec["tasks"][task]
                    for name, it in _decide(about, logits[task]).items():
                        tokens = self._spec["sources"][source]["shape"][0]
                        found[f"{task}/{name}"] = (it.view(len(rows), tokens) if name == "tags" else it).numpy()
        return found

    def _columns(self, frame: pd.DataFrame) -> list[str]:
        """The pixels' columns in their order."""
        sizes = sorted({trunk.features for trunk in self._trunks})
        # Sources of separate networks may differ in size; the nearest is what the caller seems to mean.
        size = min(sizes, key=lambda size: abs(size - frame.shape[1]))
        expected = [f"{_PIXEL}{index}" for index in range(size)]
        known = f"the columns are {expected[0]} to {expected[-1]}"
        if missing := [name for name in expected if name not in frame.columns]:
            raise ValueError(f"{_some(missing)} missing: {known}")
        if unknown := [str(name) for name in frame.columns.difference(expected, sort=False)]:
            raise ValueError(f"{_some(unknown)} unknown: {known}")
        if frame.shape[1] != size:
            raise ValueError(f"{_some(list(frame.columns[frame.columns.duplicated()]))} there twice: {known}")
        return expected

    def _answer(self, pixels: Tensor) -> dict[str, np.ndarray]:
        """Answers to rows [B, F], by column."""
        logits: dict[str, Tensor] = {}
        with torch.inference_mode():
            for trunk in self._trunks:
                if trunk.features == pixels.size(1):
                    logits |= trunk.logits(pixels)
            answers: dict[str, np.ndarray] = {}
            for task, about in self._spec["tasks"].items():
                if task in logits:
                    answers |= {f"{task}/{name}": it.numpy() for name, it in _decide(about, logits[task]).items()}
        return answers


def _decide(about: Mapping[str, Any], logits: Tensor) -> dict[str, Tensor]:
    """Columns [B] of a task's answer, by name, from logits [B, C], or [B, 1] of a binary or regression task."""
    match about["kind"]:
        case "regression":
            return {"value": logits[:, 0].double() * about["std"] + about["mean"]}
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


def _build(spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[_Trunk]:
    """The network's trunks with their heads."""
    network, sources, trunks = spec["network"], spec["sources"], []
    for branch in network["branches"]:
        apart = any(layer.get("sources") for layer in _every(branch["trunk"]))
        groups: dict[tuple[float, str], list[str]] = {}
        for task in branch["heads"]:
            source = network["source_of"][task]
            own = (
                source if apart or _is_text(sources[source]) else ""
            )  # sources part a text into tokens in several ways
            groups.setdefault((sources[source]["scale"], own), []).append(task)
        for (scale, source), tasks in groups.items():
            features = int(np.prod(sources[network["source_of"][tasks[0]]]["shape"]))
            layers = _layers(branch["trunk"], branch["name"], tensors, source)
            heads = {task: _layers(branch["heads"][task], f"head.{task}", tensors, source) for task in tasks}
            trunks.append(_Trunk(features, scale, layers, heads))
    return trunks


def _layers(described: list[dict[str, Any]], name: str, tensors: Mapping[str, Tensor], source: str) -> nn.Sequential:
    layers = []
    for index, about in enumerate(described):
        prefix = f"{name}.{index}."
        own = {full.removeprefix(prefix): tensor for full, tensor in tensors.items() if full.startswith(prefix)}
        layers.append(_layer(about, own, source))
    return nn.Sequential(*layers).eval()


def _every(described: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The layers, and those that they consist of."""
    for about in described:
        yield about
        for path in ("inner", "shortcut"):
            yield from _every(about.get(path, []))


def _layer(about: dict[str, Any], tensors: dict[str, Tensor], source: str) -> nn.Module:
    """A layer that uses these tensors themselves; the statistics are those of `source` where sources have their own."""
    layer: nn.Module
    match about["kind"]:
        case "residual":
            return _Residual(*(_layers(about[path], path, tensors, source) for path in ("inner", "shortcut")))
        case "repeat":
            return _Repeat(about["times"])
        case "tokens" | "pooled" as kind:
            return _OfText(kind, about["length"], about["width"])
        case "module":
            return _OnShaped(_module(about, tensors), about["shape"])
    with torch.device("meta"):  # neither memory nor random draws for initial values that are replaced at once
        match about["kind"]:
            case "linear":
                layer = nn.Linear(about["inputs"], about["outputs"])
            case "conv2d":
                sizes = (about[name] for name in ("channels", "window", "stride", "padding"))
                layer = nn.Conv2d(about["shape"][0], *sizes, bias=about["bias"])
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
    with torch.random.fork_rng(devices=[]):
        module: nn.Module = pkgutil.resolve_name(about["module"])(**about["arguments"]).float().eval()
        with torch.no_grad():
            module(torch.zeros(2, *about["shape"]))  # lazy layers learn their sizes
    with torch.no_grad():
        for name, it in (*module.named_parameters(), *module.named_buffers()):
            it.copy_(tensors[name])
    return module


class _OnShaped(nn.Module):
    """A module that takes rows of a shape, between flat ones."""

    def __init__(self, module: nn.Module, shape: list[int]) -> None:
        super().__init__()
        self.module, self.shape = module, shape

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.module(x.unflatten(1, self.shape))
        return answer.flatten(1)


class _Residual(nn.Module):
    """Adds what its layers answer to the input, or to what a shortcut makes of it."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.inner(x) + self.shortcut(x)
        return answer


class _Repeat(nn.Module):
    """Every row several times side by side."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, self.times)


class _OfText(nn.Module):
    """Of [B, (T + 1) * H] the vectors of all tokens [B * T, H], or those of the rows [B, H]."""

    def __init__(self, kind: str, length: int, width: int) -> None:
        super().__init__()
        self.tokens, self.length, self.width = kind == "tokens", length, width

    def forward(self, x: Tensor) -> Tensor:
        kept = self.length * self.width
        return x[:, :kept].reshape(-1, self.width) if self.tokens else x[:, kept:]


def _is_text(source: Mapping[str, Any]) -> bool:
    return bool(source.get("encoding", {}).get("kind") == "text")


def _some(names: list[str]) -> str:
    """The first few of many columns, with their verb."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{'column' if len(names) == 1 else 'columns'} {shown}{more} {'is' if len(names) == 1 else 'are'}"


mlflow.models.set_model(ServedModel())
