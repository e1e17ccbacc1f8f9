"""Time faiss IndexBinaryFlat.range_search of a set in itself: {file, radius, threads} -> {seconds}.

`file` is a .npy of uint64[N]. `pairs` counts each unordered pair once. faiss takes "less than".
"""

import json
import sys
from time import perf_counter

import faiss  # type: ignore[import-not-found]  # in this peer's venv only
import numpy as np


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    hashes = np.load(request["file"])
    faiss.omp_set_num_threads(request["threads"])
    rows = hashes.view(np.uint8).reshape(-1, 8)
    began = perf_counter()
    index = faiss.IndexBinaryFlat(64)
    index.add(rows)
    limits, _, _ = index.range_search(rows, request["radius"] + 1)
    seconds = perf_counter() - began
    print(json.dumps({"seconds": seconds, "pairs": (int(limits[-1]) - len(hashes)) // 2}))


if __name__ == "__main__":
    main()
