"""Keys under which MLflow takes values of any name: it refuses most characters and long names, and databases more."""

import hashlib
import re
from collections.abc import Iterable

LONGEST = 250
_REFUSED = re.compile(r"[^\w./ :-]")


def keys_of(names: Iterable[str], ends: Iterable[str] = ("",), of_labels: bool = False) -> dict[str, str]:
    """A key for each name: the name where MLflow takes it, else what it takes of it, with a checksum where two agree.

    No two keys differ in case only, as they are one to some databases.

    Args:
        names: Any; the same names have the same keys, in whatever order.
        ends: What is added to keys, such as that of an interval's lower end: this too is no other key.
        of_labels: What follows the first '.' is a label, of which letters, digits, '_' and '-' are kept.

    >>> keys_of(["roc_auc.a b", "roc_auc.a_b", "roc_auc.no/one"], of_labels=True)
    {'roc_auc.a b': 'roc_auc.a_b-c8687a08', 'roc_auc.a_b': 'roc_auc.a_b', 'roc_auc.no/one': 'roc_auc.no_one'}
    """
    ends, names = tuple(ends), list(names)
    plain = {name: _of_label(name) if of_labels else _REFUSED.sub("_", name) for name in names}
    most = LONGEST - max(map(len, ends))
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(plain, key=lambda it: (plain[it] != it, it)):  # first those that are keys as they are
        told_by = (name.partition(".")[2] or name) if of_labels else name
        key, checksum = plain[name], hashlib.sha256(told_by.encode("utf-8", "surrogatepass")).hexdigest()
        length = 8
        while not _is_path(key) or len(key) > most or not taken.isdisjoint(f"{key}{end}".casefold() for end in ends):
            key = f"{plain[name][: most - 1 - length].rstrip('/')}-{checksum[:length]}"
            length += 8
        taken |= {f"{key}{end}".casefold() for end in ends}
        found[name] = key
    return {name: found[name] for name in names}


def _of_label(name: str) -> str:
    head, dot, label = name.partition(".")
    return head + dot + re.sub(r"[^\w-]+", "_", label)


def _is_path(key: str) -> bool:
    """Whether it names one file, as MLflow's stores of files have it: no empty part, none of dots."""
    return all(part not in ("", ".", "..") for part in key.split("/"))
