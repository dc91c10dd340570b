"""A tiny encoder of Hugging Face's with random values, and a tokenizer of a few words, saved as users have them."""

from pathlib import Path
from typing import Any

import torch

from pipeline.pretrained import quiet

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    "the", "a", "we", "saw", "yesterday", "near", "with", "and", "then", "today", "an", "##na", "bo", "li", "car",
    "##la", "os", "##lo", "new", "york", "lima", "great", "love", "##ly", "aw", "##ful", "poor", "!",
]  # fmt: skip
"""Of the texts in `tests.data.texts`."""


def encoder(folder: Path, positions: int = 64, seed: int = 0, **settings: Any) -> Path:
    """A folder of a BERT with 2 layers of 16 units."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=positions,
        **settings,
    )
    tokenizer().save_pretrained(folder)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    return folder


def tokenizer() -> Any:
    """WordPiece with BERT's marks around a text."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(WordPiece({word: place for place, word in enumerate([*SPECIAL, *WORDS])}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))],
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **{f"{name}_token": it for name, it in names.items()})
