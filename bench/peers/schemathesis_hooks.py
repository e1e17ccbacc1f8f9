"""Give schemathesis real pictures to send, and count what it sends and what it is answered."""

import atexit
import io
import json
import os
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis  # type: ignore[import-not-found]  # in this peer's venv only
from hypothesis import strategies as st
from PIL import Image

STATUSES: Counter[str] = Counter()
BODIES: Counter[str] = Counter()
FAILURES: list[dict[str, Any]] = []
MOST_KEPT = 20
BUSY = frozenset(json.loads(os.environ.get("HOOKS_BUSY", "[]")))


def _drawn(kind: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


SIZES = ((1, 1), (60, 40), (300, 200))
KINDS = {
    f"image/{kind.lower()}": [_drawn(kind, size) for size in SIZES] for kind in ("JPEG", "PNG")
}
for name, pictures in KINDS.items():
    schemathesis.openapi.media_type(name, st.sampled_from(pictures))
WEBP = [_drawn("WEBP", size) for size in SIZES]
schemathesis.openapi.media_type("image/webp", st.sampled_from(WEBP))
ALL = [picture for pictures in KINDS.values() for picture in pictures]
schemathesis.openapi.format("byte", st.sampled_from([b64encode(one).decode() for one in ALL]))


@schemathesis.hook  # type: ignore[misc]
def after_call(context: object, case: Any, response: Any) -> None:  # noqa: ANN401, ARG001  schemathesis calls it by these names
    """Count an answer, and its request when that had a body."""
    STATUSES[str(response.status_code)] += 1
    BODIES["all"] += bool(response.request.body)


@schemathesis.hook  # type: ignore[misc]
def filter_failure(context: object, failure: Any, case: Any, response: Any) -> bool:  # noqa: ANN401, ARG001  schemathesis calls it by these names
    """Let pass what is meant to be; note the first of the other failures.

    partial=1 answers a list with an error for each entry that is none.
    """
    if response.status_code in BUSY:
        return False
    query = dict(case.query or {})
    partial = str(query.get("partial")) in {"1", "true", ""} and "partial" in query
    if type(failure).__name__ == "AcceptedNegativeData" and partial:
        return False
    if len(FAILURES) < MOST_KEPT:
        example = {"failure": failure.title, "asked": case.as_curl_command()[:600]}
        text = response.content[:200].decode("utf-8", "replace")
        FAILURES.append(example | {"status": response.status_code, "said": text})
    return True


@atexit.register
def write_counts() -> None:
    """Write what was counted where the caller looks for it."""
    counts = {"statuses": STATUSES, "bodies": BODIES["all"], "failures": FAILURES}
    Path(os.environ["HOOKS_COUNTS"]).write_text(json.dumps(counts))
