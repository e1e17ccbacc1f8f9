"""Time imagededup's default search: {file, radius} -> {seconds, pairs}; `file` is uint64[N]."""

import contextlib
import json
import sys
from time import perf_counter

import numpy as np
from imagededup.methods import PHash  # type: ignore[import-not-found]  # in this peer's venv only


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    hashes = np.load(request["file"])
    encodings = {str(k): f"{value:016x}" for k, value in enumerate(hashes.tolist())}
    with contextlib.redirect_stdout(sys.stderr):
        began = perf_counter()
        duplicates = PHash(verbose=False).find_duplicates(
            encoding_map=encodings, max_distance_threshold=request["radius"]
        )
        seconds = perf_counter() - began
    pairs = sum(map(len, duplicates.values())) // 2
    print(json.dumps({"seconds": seconds, "pairs": pairs}))


if __name__ == "__main__":
    main()
