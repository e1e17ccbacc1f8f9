"""Count what the server does, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one server; nothing here holds a picture, a key or an address of a client."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.requests = self._counter(
            "requests", "Requests answered", ("method", "route", "status")
        )
        self.refused = self._counter(
            "refusals", "Requests and pictures refused", ("route", "reason")
        )
        self.pictures = self._counter("pictures", "Pictures answered", ())
        self.classes = self._counter("top_class", "Pictures whose first class this is", ("label",))
        self.unknown = self._counter("unknown", "Pictures for which the tag rule says Unknown", ())
        self.reloads = self._counter("reloads", "Looks at a newer model", ("outcome",))
        self.seconds = self._histogram("request_seconds", "Seconds per request", ("route",))
        self.decode_seconds = self._histogram("decode_seconds", "Seconds to decode a picture", ())
        self.infer_seconds = self._histogram("infer_seconds", "Seconds in the model", ())
        self.explain_seconds = self._histogram("explain_seconds", "Seconds to draw a heat map", ())
        self.wait_seconds = self._histogram("wait_seconds", "Seconds waited for a thread", ())
        self.pending = Gauge(
            "sceneset_pending_pictures", "Pictures waiting or at work", registry=self.registry
        )
        self.model = Gauge(
            "sceneset_model_info",
            "The model in service",
            ("name", "version", "sha256"),
            registry=self.registry,
        )

    def show_model(self, name: str, version: str, sha256: str) -> None:
        """Say which model is in service."""
        self.model.clear()
        self.model.labels(name, version, sha256).set(1)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"sceneset_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(
            f"sceneset_{name}", about, labels, buckets=_SECONDS, registry=self.registry
        )
