"""A pretrained encoder of Hugging Face as a trunk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from torch import Tensor

from pipeline.config.trunks import HuggingFace
from pipeline.draws import Stream
from pipeline.errors import UserError
from pipeline.model.layers import Wrapped
from pipeline.model.trunks.base import Made, Rows, dropout
from pipeline.plugins import first_line
from pipeline.pretrained import config_of, fingerprint, folder_of, quiet

_NEW = ("pooler.",)  # values that no head reads, and that files of other tasks lack


@dataclass
class Pretrained(Wrapped):
    """An encoder that begins with its own values.

    Attributes:
        model: The folder of an encoder, or its name.
    """

    model: str = field(kw_only=True)

    def initial(self, stream: Stream) -> dict[str, Tensor]:
        """See `Layer`."""
        drawn = super().initial(stream)
        given = _weights(self.model, fingerprint(self.model, weights=True))
        for name, it in drawn.items():
            if name in given and given[name].shape != it.shape:
                raise UserError(
                    f"model.trunk.model: {self.model}: '{name}' is of shape {list(given[name].shape)}, "
                    f"and config.json wants {list(it.shape)}"
                )
        return drawn | {name: given[name] for name in drawn if name in given}


def huggingface(name: str, trunks: Sequence[HuggingFace], rows: Rows) -> Made:
    """An encoder of text with its own weights, trained on or `frozen`; a slot is a call of its own.

    Raises:
        UserError: It is no encoder of text, or the rows are not what its tokenizer makes of text.
        Failure: The package transformers is not installed.
    """
    like = trunks[0]
    assert like.model is not None
    config = config_of(like.model)
    if rows.frame is None or rows.frame["files"] != fingerprint(like.model, weights=False):
        raise UserError(
            f"trunk 'huggingface' reads what its own tokenizer makes of text, and {', '.join(rows.sources)} was made "
            "numbers of by another: give this trunk to the experiment that prepares the data"
        )
    frame = {part: rows.frame[part] for part in ("before", "after", "padding", "most")}
    arguments: dict[str, Any] = {"config": config, **frame, "frozen": like.frozen}
    rates = [0.0 if like.frozen else trunk.dropout for trunk in trunks]
    wrapped = Pretrained(
        like.module, arguments, rows.shape, name, first=True, lifted=False, rates=rates, model=like.model
    )
    return [wrapped, *([dropout(trunks, f"{name}.answer")] if like.frozen else [])], wrapped.outputs


@lru_cache(maxsize=1)
def _weights(model: str, _: str) -> dict[str, Tensor]:
    """The values in an encoder's files, by their names in the module."""
    from transformers import AutoModel

    try:
        with quiet():
            encoder, found = AutoModel.from_pretrained(
                folder_of(model), local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except Exception as error:  # safetensors and transformers have errors of their own
        raise UserError(f"model.trunk.model: the weights of {model} cannot be read: {first_line(error)}") from error
    if missing := sorted(name for name in found["missing_keys"] if not name.startswith(_NEW)):
        raise UserError(f"model.trunk.model: the weights of {model} are not of its config.json: no '{missing[0]}'")
    drawn = found["missing_keys"]
    return {f"encoder.{name}": it.detach().float() for name, it in encoder.state_dict().items() if name not in drawn}
