import io
from functools import partial

import pytest
from PIL import Image
from support.drawing import draw_jpeg

from scraper.gallery.catalogue import Catalogue, ServedClass, ServedResult
from scraper.gallery.faults import BAD, Fault, Previews, verdict
from scraper.gallery.origin import Answer
from scraper.gallery.settings import Behaviour, mixed

COUNT = 48
WHOLE = {"none", "wrong type", "png", "webp", "gif", "copy"}
REASONS = {
    "cut": ("rejected", "truncated"),
    "empty": ("rejected", "truncated"),
    "html": ("rejected", "not_a_picture"),
    "missing": ("failed", "http_error"),
}
PICTURES = [draw_jpeg(number, (120, 90), 60) for number in range(COUNT)]


def _previews(*names: Behaviour) -> tuple[list[ServedResult], Previews]:
    results = tuple(
        ServedResult(
            "A",
            n,
            f"doc{n}",
            f"thumb{n}",
            f"https://a.example/{n}",
            "a.example",
            "title",
            partial(PICTURES.__getitem__, n),
        )
        for n in range(COUNT)
    )
    catalogue = Catalogue([ServedClass("A", ("A",), results)])
    return list(results), Previews(catalogue, mixed("2026", names))


def _served(*names: Behaviour) -> list[Answer]:
    results, previews = _previews(*names)
    return [previews.answer(result) for result in results]


def _faults(*names: Behaviour) -> list[Fault]:
    results, previews = _previews(*names)
    return [previews.fault(result) for result in results]


def _format(data: bytes) -> str | None:
    return Image.open(io.BytesIO(data)).format


def test_without_behaviours_every_preview_is_as_it_was() -> None:
    assert set(_faults()) == {"none"}
    for answer, data in zip(_served(), PICTURES, strict=True):
        assert answer.data == data
        assert (answer.status, answer.wait_s, answer.drips) == (200, 0, False)
        assert answer.media_type == "image/jpeg"


def test_bad_bytes_hold_every_fault_and_mostly_good_ones() -> None:
    faults = _faults("bad-bytes")
    assert set(BAD) == set(faults) - {"none"}
    assert faults.count("none") > COUNT / 2


def test_every_fault_has_the_verdict_that_its_making_calls_for() -> None:
    for answer, fault in zip(_served("bad-bytes"), _faults("bad-bytes"), strict=True):
        expected = ("kept", "") if fault in WHOLE else REASONS[fault]
        assert verdict(answer, set()) == expected, fault


def test_a_wrong_type_has_the_right_bytes_and_formats_are_what_they_say() -> None:
    faults = _faults("bad-bytes")
    for answer, fault, picture in zip(_served("bad-bytes"), faults, PICTURES, strict=True):
        if fault == "wrong type":
            assert answer.data == picture
            assert answer.media_type == "text/plain"
        if fault in {"png", "webp", "gif"}:
            assert _format(answer.data) == fault.upper()
            assert answer.media_type == f"image/{fault}"
            assert len(answer.data) > 500


def test_what_only_an_answer_can_show_is_never_inline() -> None:
    results, previews = _previews("bad-bytes", "dripping")
    for result in results:
        if previews.answer(result).drips:
            assert previews.earliest(result) == "deferred"
        elif previews.fault(result) in {"wrong type", "missing", "html"}:
            assert previews.earliest(result) == "plain"


def test_copies_have_the_bytes_of_another_result_and_are_duplicates() -> None:
    held: set[bytes] = set()
    verdicts = [verdict(preview, held) for preview in _served("duplicates-across-batches")]
    copies = [number for number, told in enumerate(verdicts) if told == ("duplicate", "")]
    assert copies == [10, 21, 32, 43]
    for number in copies:
        assert _served("duplicates-across-batches")[number].data == PICTURES[number - 3]


def test_slow_previews_wait_between_50_and_800_ms_and_the_same_each_time() -> None:
    waits = [preview.wait_s for preview in _served("slow-previews")]
    assert waits == [preview.wait_s for preview in _served("slow-previews")]
    assert all(wait is not None and 0.05 <= wait <= 0.8 for wait in waits)
    assert len(set(waits)) == COUNT


def test_one_preview_in_forty_drips_and_counts_as_timed_out() -> None:
    served = _served("dripping")
    assert [n for n, preview in enumerate(served) if preview.drips] == [33]
    assert verdict(served[33], set()) == ("failed", "timeout")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (draw_jpeg(1, (2, 2)), "placeholder"),
        (draw_jpeg(1, (90, 20)), "too_small"),
    ],
)
def test_what_is_no_useful_picture_is_rejected_with_its_reason(data: bytes, reason: str) -> None:
    results = (
        ServedResult("A", 0, "d", "t", "https://a.example/0", "a.example", "title", lambda: data),
    )
    catalogue = Catalogue([ServedClass("A", ("A",), results)])
    preview = Previews(catalogue, mixed("2026", ())).answer(results[0])
    assert verdict(preview, set()) == ("rejected", reason)
