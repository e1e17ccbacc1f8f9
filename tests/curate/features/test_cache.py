import hashlib
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import imagehash
import pytest
from PIL import Image
from support.drawing import grey_jpeg

from curate.features import cache
from curate.features.fidelity import NOTHING, Fidelity
from curate.features.phash import hex_form
from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar, Bars


def no_bar(_total: int) -> Bar:
    return Bars(None).add("")


@pytest.fixture
def dataset(adopt: Callable[..., Dataset], two_classes: dict[str, list[bytes]]) -> Dataset:
    return adopt({"A": [*two_classes["A"][:3], b"\xff\xd8\xff no picture"]})


def files_of(manifest: Manifest, dataset: Dataset) -> dict[str, Path]:
    return {p.sha256: dataset.root / p.path for p in manifest.kept_pictures()}


@pytest.mark.parametrize("executor", ["serial", "threads:2"])
def test_a_second_run_measures_nothing(dataset: Dataset, executor: str) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        files = files_of(manifest, dataset)
        assert cache.measure_missing(manifest, files, executor, no_bar) == 4
        assert cache.measure_missing(manifest, files, executor, no_bar) == 0
        known = cache.load(manifest, files)
    assert known.whole.keys() == known.views.keys() == known.thumbs.keys() == known.scores.keys()
    assert len(known.whole) == 3


def test_a_picture_that_does_not_decode_is_broken_and_remembered(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        cache.measure_missing(manifest, files_of(manifest, dataset), "serial", no_bar)
        known = cache.load(manifest, files_of(manifest, dataset))
    assert list(known.broken.values()) == ["truncated"]


def test_a_picture_that_killed_its_decoder_is_broken_until_it_is_measured(
    dataset: Dataset,
) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        files = files_of(manifest, dataset)
        lost = min(files)
        cache.measure_missing(manifest, {lost: files[lost]}, "serial", no_bar)
        assert set(cache.load(manifest, files).broken.values()) == {"the decoder died"}
        cache.measure_missing(manifest, files, "serial", no_bar)
        assert list(cache.load(manifest, files).broken.values()) == ["truncated"]


def test_a_decoder_that_dies_looking_closer_costs_one_look_only(dataset: Dataset) -> None:
    def dies(_path: str) -> dict[str, bytes]:
        raise BrokenProcessPool

    with Manifest(dataset.manifest_path) as manifest:
        files = files_of(manifest, dataset)
        for measures in (
            (dies, cache.measure_fidelity),
            (cache.pixel_digest, dies),
            (dies, dies),
        ):
            full = cache.measure_fully(manifest, files, "serial", no_bar, measures=measures)
            assert full.digests.keys() == full.fidelity.keys() == files.keys()
            assert len(set(full.digests.values())) == len(files)
        cache.measure_missing(manifest, files, "serial", no_bar)
        assert list(cache.load(manifest, files).broken.values()) == ["truncated"]
        seen = cache.measure_fully(manifest, files, "serial", no_bar)
    assert sum(f is not NOTHING for f in seen.fidelity.values()) == len(files)
    assert sum(f.pixels > 1 for f in seen.fidelity.values()) == 3


def test_a_missing_file_is_damage_and_not_a_broken_picture(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        files = files_of(manifest, dataset)
        lost = next(iter(files.values()))
        lost.unlink()
        with pytest.raises(DamagedDataError, match=lost.name):
            cache.measure_missing(manifest, files, "serial", no_bar)


def test_only_the_wanted_pictures_are_loaded(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        files = files_of(manifest, dataset)
        cache.measure_missing(manifest, files, "serial", no_bar)
        one = min(cache.load(manifest, files).whole)
        assert set(cache.load(manifest, [one]).whole) == {one}


def test_an_upright_copy_of_a_turned_picture_has_its_features(
    tmp_path: Path, scene: Callable[..., Image.Image]
) -> None:
    image = scene(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    turned, upright = (str(tmp_path / f"{name}.png") for name in ("turned", "upright"))
    assert cache.measure(turned) == cache.measure(upright)
    assert cache.pixel_digest(turned) == cache.pixel_digest(upright)
    first, second = (
        Fidelity.from_bytes(cache.measure_fidelity(path)["fidelity"]) for path in (turned, upright)
    )
    assert (first.has_orientation, second.has_orientation) == (True, False)
    assert first._replace(has_orientation=False).to_bytes() == second.to_bytes()


def test_a_picture_that_is_decoded_at_a_fraction_only_is_like_no_other(tmp_path: Path) -> None:
    for name, size in (("large", (8064, 6048)), ("same", (8064, 6048)), ("half", (4032, 3024))):
        (tmp_path / name).write_bytes(grey_jpeg(*size))
    (tmp_path / "same").write_bytes((tmp_path / "large").read_bytes() + b"x")
    digests = {cache.pixel_digest(str(path))["pixels"] for path in tmp_path.iterdir()}
    assert len(digests) == 3
    assert "broken" not in cache.measure(str(tmp_path / "large"))


def test_bytes_that_do_not_decode_have_a_digest_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    digest = cache.pixel_digest(str(tmp_path / "x"))["pixels"]
    assert digest == hashlib.sha256(b"nothing").digest()


def test_the_exact_hash_is_measured_and_kept_apart_from_the_fast_one(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        files = files_of(manifest, dataset)
        cache.measure_missing(manifest, files, "serial", no_bar)
        assert cache.measure_missing(manifest, files, "serial", no_bar, exact=True) == 3
        assert cache.measure_missing(manifest, files, "serial", no_bar, exact=True) == 0
        exact = cache.load(manifest, files, exact=True)
    for sha256, value in exact.whole.items():
        assert hex_form(value) == str(imagehash.phash(Image.open(files[sha256])))
    assert not set(cache.algorithms().values()) & set(cache.algorithms(exact=True).values())
    assert "imagehash" in cache.versions(exact=True)


def test_equal_pixels_are_measured_once(dataset: Dataset, adopt: Callable[..., Dataset], two_classes: dict[str, list[bytes]]) -> None:  # fmt: skip
    dataset = adopt({"A": [two_classes["A"][0] + bytes([k]) for k in range(5)]})
    with Manifest(dataset.manifest_path) as manifest:
        same = [p.sha256 for p in manifest.kept_pictures() if p.rank in range(5)]
        files = {s: f for s, f in files_of(manifest, dataset).items() if s in same}
        full = cache.measure_fully(manifest, files, "serial", no_bar)
        kept = manifest.query("SELECT count(*) FROM features WHERE kind = 'fidelity'")
    assert len(full.fidelity) == len(full.digests) >= 5
    assert kept[0][0] == len(set(full.digests.values()))
