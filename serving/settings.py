"""State what `classify` and `serve` can be told, with the defaults."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pipeline.errors import SettingsError
from pipeline.pictures import Fit
from serving.runtimes import RuntimeName
from serving.trusted_origins import normal_origin

ScaleName = Literal["0..255", "0..1", "-1..1"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which model answers, and what runs it."""

    model: Path = Path("models/scenes")
    """The model's folder, one of the numbered bundles in it, or a .tflite file. Of a model's folder
    the bundle counts that its link `current` names; without one, the highest number."""
    class_names: Path | None = None
    """Class names in the order of the outputs: .txt of lines, .json list, or .csv with the header
    `keys` or `category,label`. Needed for a .tflite file; for a bundle they replace its own."""
    scale: ScaleName | None = None
    """For a .tflite file: the values it takes for black and white; 0..255 by default."""
    fit: Fit | None = None
    """For a .tflite file: how a picture becomes square; crop by default."""
    engine: RuntimeName = "auto"
    """What runs the model: `litert`, `onnx` (ONNX Runtime, with the extra `onnx`, for bundles that
    hold model.onnx), or `auto`: LiteRT where it is installed."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClassifySettings(ModelSettings):
    """Which model answers, and how its answers are given."""

    top: int = 3
    """How many classes to name per picture, the most probable first."""
    csv: Path | None = None
    """Write a table too: Name, Prediction_0 and on, Probability_0 and on; one row per file."""
    explain: Path | None = None
    """Write a picture per file into this folder: where in it the class was seen (Grad-CAM)."""
    explain_class: str = ""
    """Explain this class instead of the most probable one."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.top < 1:
            raise SettingsError(f"--top is {self.top}", cure="give --top 1 or more")
        if self.explain_class and self.explain is None:
            raise SettingsError(
                f"--explain-class {self.explain_class!r} explains nothing without a folder",
                cure="give --explain DIR too",
            )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServeSettings(ModelSettings):
    """Which model answers (a newer bundle takes over by itself), to whom, how much at once."""

    name: str | None = None
    """The model's name in addresses; by default the model folder's name."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 listens on every one: then give --api-key-file too."""
    port: int = 8000
    """Port to listen on; 0 takes any free one."""
    api_key_file: Path | None = None
    """Ask for a key: a file of keys, one per line, that others cannot read. Clients send
    `Cnvrg-Api-Key`, `X-API-Key` or `Authorization: Bearer`."""
    ui: Literal["page", "gradio", "none"] = "page"
    """What `/` shows: the page for trying pictures, one made with Gradio (the extra `gradio`), or
    nothing."""
    workers: int | None = None
    """Pictures answered at the same time; by default one per core."""
    queue: int = 128
    """Pictures that may wait; a request that finds no room gets 503 and Retry-After."""
    deadline: float = 30.0
    """Seconds for an answer; after them the request gets 504."""
    receive: float = 20.0
    """Seconds in which a request must arrive whole; a slower one is closed."""
    max_body_mb: float = 32.0
    """Largest body in MB."""
    max_bodies_mb: float = 256.0
    """Most MB of bodies that are being read or answered at once; a request that finds no room gets
    503 and Retry-After."""
    max_images: int = 64
    """Most pictures in a request."""
    max_megapixels: float = 40.0
    """Largest picture in megapixels, up to 40."""
    watch: float = 2.0
    """Seconds between looks for a newer bundle; 0 waits for the signal SIGHUP."""
    feedback: Path | None = None
    """Let people name the right class of a picture: each remark becomes a line of this JSON lines
    file, up to 10 MB. It holds the picture's SHA-256, never the picture."""
    allow_origin: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    """Origins whose pages may call this server (CORS), such as https://example.org; their names are
    then known as its own, as behind a proxy. May be given several times. None by default."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work; write origins as browsers do."""
        limits = (
            ("--port", self.port, 0, 65535),
            ("--workers", 1 if self.workers is None else self.workers, 1, 256),
            ("--queue", self.queue, 1, 100_000),
            ("--deadline", self.deadline, 0.1, 3600),
            ("--receive", self.receive, 0.1, 3600),
            ("--max-body-mb", self.max_body_mb, 0.01, 1024),
            ("--max-bodies-mb", self.max_bodies_mb, 0.01, 65_536),
            ("--max-images", self.max_images, 1, 4096),
            ("--max-megapixels", self.max_megapixels, 0.001, 40),
            ("--watch", self.watch, 0, 3600),
        )
        for flag, value, low, high in limits:
            if not low <= value <= high:
                raise SettingsError(f"{flag} is {value}", cure=f"give {flag} from {low} to {high}")
        if not self.host.strip() or not self.host.isprintable():
            raise SettingsError(
                f"--host is {self.host!r}", cure="name an address, such as 127.0.0.1 or 0.0.0.0"
            )
        # A frozen dataclass has no other way to keep a value in its normal form.
        object.__setattr__(self, "allow_origin", tuple(map(_origin, self.allow_origin)))
        if self.name is not None and not re.fullmatch(r"[\w.~ -]{1,100}", self.name):
            raise SettingsError(
                f"--name is {self.name!r}", cure="use letters, digits, spaces and . _ ~ - only"
            )

    @property
    def max_body(self) -> int:
        """Return the largest body in bytes."""
        return int(self.max_body_mb * 1_000_000)

    @property
    def max_bodies(self) -> int:
        """Return the most bytes of bodies at once."""
        return int(self.max_bodies_mb * 1_000_000)

    @property
    def max_pixels(self) -> int:
        """Return the largest picture in pixels."""
        return int(self.max_megapixels * 1_000_000)


def _origin(origin: str) -> str:
    try:
        return normal_origin(origin)
    except ValueError as error:
        raise SettingsError(
            f"--allow-origin {origin} is no origin",
            cure="give scheme, name and port alone, such as https://example.org:8443",
        ) from error
