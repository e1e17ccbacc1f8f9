"""Real headless Chromium on the embedded gallery."""

import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.drawing import draw_jpeg, processes_with

from sceneset.dataset import DatasetSettings
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from sceneset.versions.verify import verify
from scraper.commands.scrape import scrape
from scraper.gallery.server import Gallery, running_gallery
from scraper.gallery.settings import GallerySettings
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
QUIET = Output(quiet=True)
REAL = 260


@pytest.fixture(scope="module")
def drawn() -> Iterator[Gallery]:
    with running_gallery(GallerySettings(port=0, per_class=30, delay_ms=30)) as gallery:
        yield gallery


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gallery, set[str]]]:
    """Serve many real files: more than two batches, so that More results is needed."""
    root = tmp_path_factory.mktemp("pictures")
    (root / "Text document").mkdir()
    digests = set()
    for seed in range(REAL):
        data = draw_jpeg(seed, (246, 164))
        (root / "Text document" / f"{seed}.jpg").write_bytes(data)
        digests.add(hashlib.sha256(data).hexdigest())
    settings = GallerySettings(port=0, pictures=root, batch=50, automatic=2, delay_ms=30)
    with running_gallery(settings) as gallery:
        yield gallery, digests


def run(gallery_url: str, tmp_path: Path, names: str, **more: object) -> Outcome:
    (tmp_path / "classes.txt").write_text(names, encoding="utf-8")
    values: dict[str, object] = {
        "classes": tmp_path / "classes.txt",
        "dataset": tmp_path / "set",
        "search_url": gallery_url,
        "pause": 0,
    }
    return scrape(settings=ScrapeSettings(**(values | more)), output=QUIET)  # type: ignore[arg-type]


def test_every_picture_is_found_with_the_bytes_that_were_served(
    folders: tuple[Gallery, set[str]], tmp_path: Path
) -> None:
    gallery, digests = folders
    outcome = run(gallery.search_url, tmp_path, "Text document\n", per_class=600)
    assert outcome.exit_code == 0
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        assert {image.sha256 for image in manifest.images()} == digests
        assert manifest.query("SELECT DISTINCT status FROM sightings") == [("kept",)]
    assert verify(settings=DatasetSettings(dataset=tmp_path / "set"), output=QUIET).exit_code == 0


def test_a_second_run_adds_nothing_and_says_so(
    folders: tuple[Gallery, set[str]], tmp_path: Path
) -> None:
    gallery, _ = folders
    run(gallery.search_url, tmp_path, "Text document\n", per_class=600)
    again = run(gallery.search_url, tmp_path, "Text document\n", per_class=600)
    assert again.summary["added"] == 0
    assert "nothing new" in again.lines[0]


def test_the_target_is_kept_exactly_and_fresh_collects_as_many_again(
    folders: tuple[Gallery, set[str]], tmp_path: Path
) -> None:
    gallery, _ = folders
    first = run(gallery.search_url, tmp_path, "Text document\n", per_class=40)
    assert first.summary["kept"] == 40
    assert first.summary["classes"]["Text document"]["stopped_because"] == "target reached"  # type: ignore[index]
    page = next(tmp_path.rglob("scrape/index.html")).read_text()
    assert f"found in google results as served by {gallery.pages.url};" in page
    pages = len(gallery.pages.requests)
    assert run(gallery.search_url, tmp_path, "Text document\n", per_class=40).summary["added"] == 0
    assert len(gallery.pages.requests) == pages
    more = run(gallery.search_url, tmp_path, "Text document\n", per_class=40, resume=False)
    assert more.summary["kept"] == 80


def test_planted_trouble_ends_in_the_right_status(drawn: Gallery, tmp_path: Path) -> None:
    run(drawn.search_url, tmp_path, "Beach\nNight\n", per_class=100)
    truth = {r["docid"]: r for name in ("Beach", "Night") for r in drawn.truth()[name]}
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        rows = manifest.query("SELECT result_id, status, reason, sha256 FROM sightings")
    assert {row[0] for row in rows} == set(truth)
    for result_id, status, reason, sha256 in rows:
        record = truth[result_id]
        if record["kind"] == "placeholder":
            assert (status, reason) == ("rejected", "placeholder")
        elif record["kind"] == "broken":
            assert (status, reason) in {
                ("rejected", "truncated"),
                ("rejected", "not_a_picture"),
                ("failed", "no_bytes"),
            }
        else:
            assert status in {"kept", "duplicate"}
            assert sha256 == record["sha256"]


def test_several_queries_of_a_class_count_each_result_once(drawn: Gallery, tmp_path: Path) -> None:
    run(drawn.search_url, tmp_path, "Beach: Beach | sunny beach day\n", per_class=100)
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        ((results, different),) = manifest.query(
            "SELECT count(*), count(DISTINCT result_id) FROM sightings"
        )
        assert results == different == len(drawn.truth()["Beach"])
        assert manifest.query("SELECT count(*) FROM sighting_queries") > [(10,)]


def test_a_class_without_results_is_nothing_found_and_exit_3(
    drawn: Gallery, tmp_path: Path
) -> None:
    outcome = run(drawn.search_url, tmp_path, "Beach\nQuux\n", per_class=5)
    assert outcome.exit_code == 3
    assert outcome.summary["classes"]["Quux"]["stopped_because"] == "nothing found"  # type: ignore[index]
    assert "Quux" in outcome.problem
    assert outcome.cure


@pytest.mark.parametrize("port", [9, 8097], ids=["refused by the browser", "refused by the host"])
def test_a_gallery_that_is_down_is_unreachable_and_stops_the_run(port: int, tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = run(f"http://127.0.0.1:{port}/search?q={{query}}", tmp_path, "Beach\nNight\n")
    assert outcome.exit_code == 3
    reasons = {c["stopped_because"] for c in outcome.summary["classes"].values()}  # type: ignore[attr-defined]
    assert reasons == {"unreachable"}
    assert f"127.0.0.1:{port}" in outcome.problem
    assert time.monotonic() - began < 60


def start(gallery_url: str, tmp_path: Path) -> subprocess.Popen[str]:
    """Start a scrape and wait until it has stored something."""
    (tmp_path / "classes.txt").write_text("Text document\n")
    words = ["scrape", "--classes", tmp_path / "classes.txt", "--dataset", tmp_path / "set"]
    words += ["--search-url", gallery_url, "--pause", "0", "--per-class", "600"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list((tmp_path / "set").glob("raw/*/*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        (signal.SIGKILL, -9),
    ],
)
def test_a_run_ended_by_a_signal_loses_nothing_and_the_next_goes_on(
    folders: tuple[Gallery, set[str]], tmp_path: Path, number: int, code: int
) -> None:
    gallery, digests = folders
    process = start(gallery.search_url, tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=40)
    assert process.returncode == code, said
    check = verify(settings=DatasetSettings(dataset=tmp_path / "set"), output=QUIET)
    assert check.exit_code == 0, check.lines
    outcome = run(gallery.search_url, tmp_path, "Text document\n", per_class=600)
    assert outcome.summary["kept"] == len(digests)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_neither_a_browser_nor_its_profile_outlives_a_killed_run(
    folders: tuple[Gallery, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chromium's socket lies in it, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="s-") as short:
        monkeypatch.setenv("TMPDIR", short)
        process = start(folders[0].search_url, tmp_path)
        sign = f"{short}/sceneset-browser-"
        assert processes_with(sign)
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while (processes_with(sign) or profiles(Path(short))) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processes_with(sign) == []
        assert profiles(Path(short)) == []


def profiles(folder: Path) -> list[Path]:
    """Return the browser profiles in a folder."""
    return list(folder.glob("sceneset-browser-*"))
