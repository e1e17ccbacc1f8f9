"""Ask cleanlab which labels are wrong, from the same out-of-fold probabilities: JSON in and out."""

import json
import sys

import numpy as np
from cleanlab.filter import find_label_issues  # type: ignore[import-not-found]  # in this peer's venv only


def main() -> None:
    """Read {"labels": [...], "probabilities": {name: file.npy}}; print {name: [rows]}."""
    request = json.load(sys.stdin)
    labels = np.array(request["labels"])
    issues = {
        name: np.flatnonzero(find_label_issues(labels, np.load(path))).tolist()
        for name, path in request["probabilities"].items()
    }
    print(json.dumps(issues))


if __name__ == "__main__":
    main()
