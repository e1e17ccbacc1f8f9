"""Find near-duplicates by PDQ: {folder, within} -> {pairs}: two file names at most that far."""

import json
import sys
from pathlib import Path

import numpy as np
import pdqhash  # type: ignore[import-not-found]  # in this peer's venv only
from PIL import Image


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    names, hashes = [], []
    for path in sorted(Path(request["folder"]).iterdir()):
        vector, _quality = pdqhash.compute(np.asarray(Image.open(path).convert("RGB")))
        names.append(path.name)
        hashes.append(np.packbits(vector))
    packed = np.stack(hashes)
    pairs = []
    for k, value in enumerate(packed):
        distances = np.bitwise_count(packed[k + 1 :] ^ value).sum(axis=1, dtype=np.int64)
        pairs += [
            (names[k], names[k + 1 + j]) for j in np.flatnonzero(distances <= request["within"])
        ]
    print(json.dumps({"pairs": pairs}))


if __name__ == "__main__":
    main()
