"""Pretrained text encoders in Hugging Face's layout: their folders, files and configuration.

A folder has `config.json`, the files of a tokenizer, and weights as safetensors; pickled weights are never read. The
package transformers is imported only when an encoder is opened.
"""

import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import Failure, UserError
from pipeline.files import check_regular
from pipeline.plugins import first_line

PACKAGES = ("transformers", "tokenizers")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_WEIGHTS = "*.safetensors"
_READ = ("*.json", "*.txt", "*.model", _WEIGHTS)
_SETTING = "model.trunk.model"


def require(what: str, *packages: str) -> None:
    """Check that the packages that a feature needs are installed.

    Raises:
        Failure: A package is not installed.
    """
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise Failure(f"{what} needs the package {missing[0]}: pip install 'headway[transformers]'")


def folder_of(model: str) -> Path:
    """The folder of an encoder: a local one, or that of the Hub's client, which downloads and caches it.

    Raises:
        UserError: There is no such encoder, or files are missing in its folder.
        Failure: The package transformers is not installed.
    """
    require("trunk huggingface", *PACKAGES)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _fetched(model)
    for what, patterns in (("config.json", ("config.json",)), ("tokenizer", _TOKENIZERS), ("weights", (_WEIGHTS,))):
        if not any(next(folder.glob(pattern), None) for pattern in patterns):
            wanted = "" if what == "config.json" else f" ({' or '.join(patterns)})"
            raise UserError(f"{_SETTING}: {model} holds no {what}{wanted}: give the folder of a saved encoder")
    return folder


def fingerprint(model: str, weights: bool) -> str:
    """A hash of an encoder's files, with or without its weights.

    Raises:
        UserError: As in `folder_of`.
        Failure: As in `folder_of`.
    """
    folder = folder_of(model)
    paths = {path.name: path for pattern in _READ for path in folder.glob(pattern) if path.is_file()}
    content = hashlib.sha256()
    for name, path in sorted(paths.items()):
        if weights or not path.match(_WEIGHTS):
            stamp = path.stat()
            content.update(f"{name}\0{_checksum(path, stamp.st_size, stamp.st_mtime_ns)}\n".encode())
    return content.hexdigest()[:16]


def config_of(model: str) -> dict[str, Any]:
    """The configuration of an encoder, in the form that `transformers.AutoConfig.for_model` takes.

    Raises:
        UserError: As in `folder_of`; or it is not a text encoder that the installed version supports.
        Failure: As in `folder_of`.
    """
    import json

    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder_of(model), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{_SETTING}: {model}: config.json cannot be used: {first_line(error)}") from error
    if config.is_encoder_decoder:
        raise UserError(
            f"{_SETTING}: {model} ({config.model_type}) is an encoder with a decoder: give an encoder alone"
        )
    # Models of masked words read a text in both directions.
    if config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES or not hasattr(config, "vocab_size"):
        raise UserError(
            f"{_SETTING}: {model} ({config.model_type}) is no encoder of text: give one such as BERT or RoBERTa"
        )
    values: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {name: it for name, it in values.items() if name != "_name_or_path"}


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress transformers' progress bars and warnings; relevant problems are reported separately."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@functools.cache
def _fetched(name: str) -> Path:
    """The folder of the Hub's cached copy of an encoder, downloaded if it is missing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        try:
            return Path(snapshot_download(name, allow_patterns=list(_READ), local_files_only=True))
        except LocalEntryNotFoundError:
            return Path(snapshot_download(name, allow_patterns=list(_READ)))
    except HFValidationError as error:
        raise UserError(f"{_SETTING}: there is no folder {name}") from error
    except Exception as error:  # the network and the Hub raise many types
        raise UserError(
            f"{_SETTING}: there is no folder {name}, and the Hub does not give it ({first_line(error)})"
        ) from error


@functools.cache
def _checksum(path: Path, size: int, changed_ns: int) -> str:
    """The checksum of a file, cached by size and time: a command needs it several times, and weights are large."""
    check_regular(path, _SETTING)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
