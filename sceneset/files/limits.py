"""State how large picture files may be that `add` and `classify` take, with the defaults."""

from dataclasses import dataclass

from cyclopts import Parameter

from sceneset.errors import SettingsError

_MEGA = 1_000_000
_MOST_MB, _MOST_MEGAPIXELS = 2000, 2560


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """How large a picture file may be."""

    max_file_mb: float = 100.0
    """Largest file in MB."""
    max_megapixels: float = 250.0
    """Largest picture in megapixels. Over 40, a JPEG is read at a half, a quarter or an eighth of
    its size; a HEIC or a progressive JPEG may have 52, other pictures 40."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        limits = (
            ("--max-file-mb", self.max_file_mb, 0.001, _MOST_MB),
            ("--max-megapixels", self.max_megapixels, 0.001, _MOST_MEGAPIXELS),
        )
        for flag, value, low, high in limits:
            if not low <= value <= high:
                raise SettingsError(f"{flag} is {value}", cure=f"give {flag} from {low} to {high}")

    @property
    def max_bytes(self) -> int:
        """Return the largest file in bytes."""
        return int(self.max_file_mb * _MEGA)

    @property
    def max_pixels(self) -> int:
        """Return the largest picture in pixels."""
        return int(self.max_megapixels * _MEGA)
