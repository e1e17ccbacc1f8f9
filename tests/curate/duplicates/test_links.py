from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from curate.duplicates.links import Link, find_links, with_pixels
from curate.features import cache
from sceneset.dataset import Dataset
from sceneset.manifest.rows import KeptPicture
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar, Bars


def no_bar(_total: int) -> Bar:
    return Bars(None).add("")


def links_of(dataset: Dataset, *, views: bool = True) -> tuple[list[Link], list[KeptPicture]]:
    with Manifest(dataset.manifest_path) as manifest:
        pictures = manifest.kept_pictures()
        files: dict[str, Path] = {p.sha256: dataset.root / p.path for p in pictures}
        cache.measure_missing(manifest, files, "serial", no_bar)
        known = cache.load(manifest, files)
        links = find_links(files, known, radius=8, leak_radius=12, views=views)
        full = cache.measure_fully(manifest, files, "serial", no_bar)
    return with_pixels(links, files, full.digests), pictures


def edits(picture: Image.Image) -> dict[str, Image.Image]:
    return {
        "whole": picture.resize((120, 90)),
        "mirrored": ImageOps.mirror(picture),
        "crop": picture.crop((14, 8, 229, 170)),
        "border": ImageOps.expand(picture, border=(0, 16), fill="black"),
        "turned": picture.rotate(90, expand=True),
        "rotated": picture.rotate(-2, Image.Resampling.BICUBIC),
    }


@pytest.mark.parametrize("kind", ["whole", "mirrored", "turned", "rotated", "crop", "border"])
def test_each_edit_is_found_as_what_it_is(
    kind: str,
    adopt: Callable[..., Dataset],
    scene: Callable[..., Image.Image],
    jpeg: Callable[..., bytes],
) -> None:
    edited = jpeg(edits(scene(1))[kind])
    others = [jpeg(scene(seed)) for seed in range(2, 8)]
    links, pictures = links_of(adopt({"A": [jpeg(scene(1)), edited, *others]}))
    copies = [link for link in links if link.duplicate]
    assert [link.kind for link in copies] == [kind]
    by_rank = {p.rank: p.sha256 for p in pictures}
    assert set(copies[0].pair) == {by_rank[0], by_rank[1]}
    if copies[0].directed:
        assert copies[0].first == by_rank[1]


def test_without_views_only_whole_pictures_are_copies(
    adopt: Callable[..., Dataset],
    scene: Callable[..., Image.Image],
    jpeg: Callable[..., bytes],
) -> None:
    changed = edits(scene(1))
    cut = changed["mirrored"].crop((34, 25, 240, 180))
    pictures: Sequence[bytes] = [jpeg(scene(1)), jpeg(changed["mirrored"]), jpeg(cut)]
    links, _ = links_of(adopt({"A": pictures}), views=False)
    assert not [link for link in links if link.duplicate]
    assert [link.kind for link in links] == ["mirrored"]


def test_equal_pixels_in_other_bytes_are_exact_copies_even_when_flat(
    adopt: Callable[..., Dataset], scene: Callable[..., Image.Image], tmp_path: Path
) -> None:
    flat = Image.new("RGB", (90, 60), (200, 200, 200))
    flat.paste((210, 200, 190), (0, 0, 45, 60))
    pictures = []
    for name, image in (("a", scene(1)), ("b", flat)):
        for suffix in ("png", "bmp"):
            image.save(tmp_path / f"{name}.{suffix}")
            pictures.append((tmp_path / f"{name}.{suffix}").read_bytes())
    links, _ = links_of(adopt({"A": pictures}))
    assert [link.kind for link in links if link.duplicate] == ["pixels", "pixels"]
