"""What an encoding knows of the tokenizer of a pretrained encoder."""

from typing import Any

from pipeline.errors import UserError
from pipeline.plugins import first_line
from pipeline.pretrained import config_of, fingerprint, folder_of, quiet

_UNSET = 10**9  # what transformers has for the longest input of a tokenizer that does not know it is larger


def tokenizer_of(model: str) -> dict[str, Any]:
    """As `pipeline.data.encodings.words.Tokenized` needs it.

    Args:
        model: The folder of an encoder, or its name.

    Returns:
        `tokenizer`, as the package tokenizers writes it; `ids`; and `frame`, what the encoder asks of a row: `most`,
        how many numbers it can take, None where any; those `before` and `after` a row, of `padding` and of what is
        `unknown`, all as the encoder has them; and `files`, which says whose they are.

    Raises:
        UserError: The encoder or its tokenizer is not what it should be.
        Failure: The package transformers is not installed.
    """
    folder, config = folder_of(model), config_of(model)
    from transformers import AutoTokenizer

    try:
        with quiet():
            # The words of a row stand by themselves: where a space before one is a part of it, each has it.
            whole = AutoTokenizer.from_pretrained(folder, local_files_only=True, add_prefix_space=True)
        fast = whole.backend_tokenizer
    except Exception as error:  # each kind of tokenizer has errors of its own
        raise UserError(f"model.trunk.model: the tokenizer of {model} cannot be used: {first_line(error)}") from error
    if (size := fast.get_vocab_size()) > config["vocab_size"]:
        raise UserError(
            f"model.trunk.model: the tokenizer of {model} has {size} tokens, and its encoder {config['vocab_size']}: "
            "they do not belong together"
        )
    probe = fast.encode(["a"], is_pretokenized=True)
    inside = [place for place, special in enumerate(probe.special_tokens_mask) if not special]
    before, after = probe.ids[: inside[0]], probe.ids[inside[-1] + 1 :]
    padding = whole.pad_token_id or 0
    positions = _positions(config, whole.model_max_length)
    return {
        "tokenizer": fast.to_str(),
        "ids": 1 + config["vocab_size"],
        "frame": {
            "most": None if positions is None else positions - len(before) - len(after),
            "before": before,
            "after": after,
            "padding": padding,
            "unknown": padding if whole.unk_token_id is None else whole.unk_token_id,
            "files": fingerprint(model, weights=False),
        },
    }


def _positions(config: dict[str, Any], longest: int) -> int | None:
    """How many numbers the encoder can take: what its tokenizer says, else what it has positions for."""
    if longest < _UNSET:
        return min(longest, config.get("max_position_embeddings") or longest)
    if not (positions := config.get("max_position_embeddings")):
        return None
    # RoBERTa and its like count from behind the number of padding.
    return int(positions) - ((config.get("pad_token_id") or 0) + 1)
