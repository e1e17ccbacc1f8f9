"""Find the class that somebody named."""

import unicodedata
from collections.abc import Sequence


def find_label(name: str, class_names: Sequence[str]) -> int | None:
    """Return the label of a class, whatever its case; None when no class has that name."""
    if name in class_names:  # two names of others' models may differ by case alone
        return class_names.index(name)
    labels = {_folded(one): label for label, one in enumerate(class_names)}
    return labels.get(_folded(name))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
