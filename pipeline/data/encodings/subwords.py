"""A vocabulary of subwords, learnt from how often words occur."""

from collections import Counter
from collections.abc import Mapping
from itertools import chain, repeat

from pipeline.data.encodings.words import MARK
from pipeline.pretrained import require


def learnt(found: Mapping[str, int], size: int, min_count: int) -> list[str]:
    """Letters, and what byte-pair encoding merges them to (Sennrich et al. 2016, arXiv 1508.07909, section 3.2).

    The same words give the same subwords in the same order. Letters are those of most words, at most half of all.

    Args:
        found: How often each word occurs.
        size: Most subwords.
        min_count: How often two neighbours must occur to be merged, and a letter to be known.

    Raises:
        Failure: The package that learns them is not installed.
    """
    require("data.text.kind=subwords", "tokenizers")
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    letters: Counter[str] = Counter()
    for word, count in found.items():
        letters.update(dict.fromkeys(word, count))
    often = sorted(letters, key=lambda letter: (-letters[letter], letter))[: max(1, size // 2)]
    known = {letter for letter in often if letters[letter] >= min_count or letter == MARK}
    # What holds another letter is cut there: nothing is merged across it.
    parts: Counter[str] = Counter()
    for word, count in found.items():
        for part in "".join(letter if letter in known else "\n" for letter in word).split("\n"):
            parts[part] += count
    tokenizer = Tokenizer(BPE())
    trainer = BpeTrainer(vocab_size=size, min_frequency=min_count, initial_alphabet=[], show_progress=False)
    words = chain.from_iterable(repeat(part, count) for part, count in sorted(parts.items()) if part)
    tokenizer.train_from_iterator(words, trainer)
    numbers = tokenizer.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)
