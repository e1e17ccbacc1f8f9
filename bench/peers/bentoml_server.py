"""Serve the same LiteRT model with BentoML: two workers for two cores."""

import os
import sys

import bentoml  # type: ignore[import-not-found]  # in this peer's venv only
from wrapped_model import WrappedModel


@bentoml.service(workers=2)  # type: ignore[untyped-decorator]
class Tags:
    """The same protocol as ours."""

    def __init__(self) -> None:
        """Load the model in each worker."""
        self.model = WrappedModel()

    @bentoml.api(route="/classify")  # type: ignore[untyped-decorator]
    def classify(self, images: list[str]) -> dict[str, list[list[str]]]:
        """Name the pictures."""
        return {"tags": self.model.tags(images)}


if __name__ == "__main__":
    port = sys.argv[sys.argv.index("--port") + 1]
    command = [sys.executable, "-m", "bentoml", "serve", "bentoml_server:Tags"]
    os.chdir(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  it imports by name
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", port])  # noqa: S606
