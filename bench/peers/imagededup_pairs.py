"""Find near-duplicates with imagededup's defaults (PHash, 10 bits): {folder} -> {pairs, ...}.

A pair is two file names. Hashing, searching and deciding what to remove are timed apart.
"""

import contextlib
import json
import sys
from time import perf_counter

from imagededup.methods import PHash  # type: ignore[import-not-found]  # in this peer's venv only
from imagededup.utils.general_utils import (  # type: ignore[import-not-found]  # in this peer's venv only
    get_files_to_remove,
)


def main() -> None:
    """Answer one request."""
    folder = json.load(sys.stdin)["folder"]
    with contextlib.redirect_stdout(sys.stderr):
        method = PHash(verbose=False)
        began = perf_counter()
        encodings = method.encode_images(image_dir=folder)
        hashed = perf_counter()
        duplicates = method.find_duplicates(encoding_map=encodings)
        searched = perf_counter()
        removed = get_files_to_remove(duplicates)
        decided = perf_counter()
    pairs = {tuple(sorted((a, b))) for a, others in duplicates.items() for b in others}
    answer = {
        "pairs": sorted(pairs),
        "hashed": len(encodings),
        "removed": len(removed),
        "hash_s": hashed - began,
        "search_s": searched - hashed,
        "decide_s": decided - searched,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
