from pathlib import Path

import pytest

from sceneset.errors import SettingsError
from scraper.gallery.settings import GallerySettings


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 65536), ("per_class", 0), ("duplicates", 0.95), ("batch", 0), ("delay_ms", -1)],
)
def test_a_value_out_of_range_is_refused_with_its_flag(name: str, value: float) -> None:
    with pytest.raises(SettingsError) as caught:
        GallerySettings(**{name: value})  # type: ignore[arg-type]
    assert "--" + name.replace("_", "-") in caught.value.cure
    assert str(value) in caught.value.problem


def test_a_missing_folder_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        GallerySettings(pictures=tmp_path / "nowhere")
