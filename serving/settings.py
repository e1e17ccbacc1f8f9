"""State the settings of `classify` and `serve`, with the defaults."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sceneset.errors import EXTRAS, MissingExtraError, MissingInputError, SettingsError
from sceneset.files.limits import FileLimits

Runtime = Literal["litert", "onnx"]
RuntimeName = Literal["auto", "litert", "onnx"]
FILES: dict[Runtime, str] = {"litert": "model.tflite", "onnx": "model.onnx"}
PACKAGES: dict[Runtime, str] = {"litert": "ai_edge_litert", "onnx": "onnxruntime"}


def choose_runtime(
    requested: RuntimeName, folder: Path, installed: Callable[[str], object] = find_spec
) -> Runtime:
    """Return what runs the model in a bundle's folder.

    `auto` is LiteRT, which needs less memory at the same rate; ONNX Runtime where LiteRT or its
    file is missing and ONNX Runtime's file is there. Raises MissingInputError when the bundle lacks
    the file that was asked for, MissingExtraError when the package is not installed; `installed`
    says something true of one that is.
    """
    if requested == "auto":
        return _automatic(folder, installed)
    if requested != "litert" and not (folder / FILES[requested]).is_file():
        raise MissingInputError(
            f"--engine {requested}: the bundle at {folder} has no {FILES[requested]}",
            cure=f"train or convert again with --export {requested}, or leave --engine out",
        )
    _check_package(requested, f"--engine {requested}", installed)
    return requested


def _automatic(folder: Path, installed: Callable[[str], object]) -> Runtime:
    """Return the first that can run; else say what the first whose file is there needs."""
    present: list[Runtime] = [one for one, file in FILES.items() if (folder / file).is_file()]
    for runtime in present:
        if installed(PACKAGES[runtime]):
            return runtime
    for runtime in present:
        _check_package(runtime, str(folder / FILES[runtime]), installed)
    return "litert"  # whose loader says that the file is missing


def _check_package(runtime: Runtime, what: str, installed: Callable[[str], object]) -> None:
    if not installed(PACKAGES[runtime]):
        raise MissingExtraError(
            f"{what} needs the package {PACKAGES[runtime]}, which is not installed",
            cure=f"pip install -e '.[{EXTRAS[PACKAGES[runtime]]}]'",
        )


ANY = "*"
_LITERAL = frozenset({ANY, "null"})  # null: sandboxed pages, and those opened as files
_EXTENSION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*-extension://[\w-]+", re.ASCII)
_WEB = re.compile(r"(https?)://([\w.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


def normal_origin(origin: str) -> str:
    """Return an origin as a browser sends it: lower case, no default port, names in ASCII.

    `*`, `null` and the origins of browser extensions are origins too. Raises ValueError for others.
    """
    if origin in _LITERAL or _EXTENSION.fullmatch(origin):
        return origin
    parts = _WEB.fullmatch(origin.lower())
    if parts is None:
        raise ValueError(origin)
    scheme, host, port = parts.groups()
    number = _PORTS[scheme] if port is None else int(port)
    if number > _LAST_PORT:
        raise ValueError(origin)
    tail = "" if number == _PORTS[scheme] else f":{number}"
    return f"{scheme}://{_normal_host(host)}{tail}"


def _normal_host(host: str) -> str:
    if not host.startswith("["):
        return host.encode("idna").decode("ascii")  # UnicodeError, a ValueError, for what is none
    return f"[{IPv6Address(host[1:-1]).compressed}]"  # AddressValueError is a ValueError too


ScaleName = Literal["0..255", "0..1", "-1..1"]
# As `sceneset.images.Fit`, whose module needs numpy and Pillow; --help does without them.
FitName = Literal["crop", "pad", "stretch"]


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
    fit: FitName | None = None
    """For a .tflite file: how a picture becomes square; crop by default."""
    engine: RuntimeName = "auto"
    """What runs the model: `litert`, `onnx` (ONNX Runtime, with the extra `onnx`, for bundles that
    hold model.onnx), or `auto`: LiteRT where it is installed."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClassifySettings(FileLimits, ModelSettings):
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
        super().__post_init__()
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
    max_megapixels: float = 250.0
    """Largest picture in megapixels. Over 40, a JPEG is read at a half, a quarter or an eighth of
    its size; a HEIC or a progressive JPEG may have 52, other pictures 40."""
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
            ("--max-megapixels", self.max_megapixels, 0.001, 2560),
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
