"""Serve the same LiteRT model with LitServe: two workers, as it advises for two cores."""

import sys

import litserve  # type: ignore[import-not-found]  # in this peer's venv only
from wrapped_model import WrappedModel


class Tags(litserve.LitAPI):  # type: ignore[misc]
    """The same protocol as ours."""

    def setup(self, device: str) -> None:  # noqa: ARG002  LitServe's own
        """Load the model in each worker."""
        self.model = WrappedModel()

    def decode_request(self, request: dict[str, list[str]]) -> list[str]:
        """Take the pictures out."""
        return request["images"]

    def predict(self, texts: list[str]) -> list[list[str]]:
        """Name them."""
        return self.model.tags(texts)

    def encode_response(self, output: list[list[str]]) -> dict[str, list[list[str]]]:
        """Put the tags in."""
        return {"tags": output}


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--port") + 1])
    server = litserve.LitServer(Tags(api_path="/classify"), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)
