"""What each behaviour puts on the wire, without a browser: later batches and previews."""

import http.client
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest
from support.gallery import BATCH, COUNT, Serve, ids, more, truth_ids, whole


def test_later_batches_repeat_results_and_the_truth_counts_each_once(serve: Serve) -> None:
    gallery = serve("duplicates-across-batches")
    counts = Counter(ids(whole(gallery)))
    assert counts.keys() == set(truth_ids(gallery))
    assert sum(count == 2 for count in counts.values()) == 4
    digests = [record["sha256"] for record in gallery.truth()["Lake"]]
    told = Counter(record["status"] for record in gallery.truth()["Lake"])
    assert told == {"kept": len(set(digests)), "duplicate": COUNT - len(set(digests))}
    assert told["duplicate"] == 5


def test_bad_bytes_are_answered_as_the_truth_says(serve: Serve) -> None:
    gallery = serve("bad-bytes")
    told = Counter()
    for record in gallery.truth()["Lake"]:
        url = str(record["url"])
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.request("GET", url.removeprefix(gallery.thumbs.url))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert (answer.status == 404) == (record["reason"] == "http_error")
        told[record["status"], record["reason"], answer.headers["Content-Type"]] += bool(data) or 1
    assert told["failed", "http_error", "image/jpeg"] == 3
    assert told["kept", "", "text/plain"] == 3
    assert told["rejected", "not_a_picture", "text/html"] == 2
    assert {("kept", "", f"image/{kind}") for kind in ("png", "webp", "gif")} < told.keys()


def test_slow_previews_take_their_time(serve: Serve) -> None:
    gallery = serve("slow-previews")
    url = str(gallery.truth()["Lake"][0]["url"])
    began = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", url.removeprefix(gallery.thumbs.url))
    connection.getresponse().read()
    connection.close()
    assert time.monotonic() - began >= 0.05


def test_a_dripping_preview_begins_at_once_and_does_not_end(serve: Serve) -> None:
    gallery = serve("dripping")
    record = gallery.truth()["Lake"][33]
    assert (record["status"], record["reason"]) == ("failed", "timeout")
    connection = http.client.HTTPConnection(urlsplit(str(record["url"])).netloc, timeout=0.4)
    connection.request("GET", str(record["url"]).removeprefix(gallery.thumbs.url))
    answer = connection.getresponse()
    assert answer.read(1) == b"\xff"
    with pytest.raises(TimeoutError):
        answer.read(1)
    connection.close()


def test_late_batches_come_after_a_second(serve: Serve) -> None:
    gallery = serve("late-batches")
    began = time.monotonic()
    assert len(more(gallery, BATCH)[1]) == BATCH
    assert 1 <= time.monotonic() - began < 4


def test_the_first_later_batch_of_each_page_load_fails_once(serve: Serve) -> None:
    gallery = serve("failed-batch")
    asked = [("one", BATCH), ("one", BATCH), ("one", 2 * BATCH), ("two", BATCH), ("two", BATCH)]
    assert [more(gallery, start, eid)[0] for eid, start in asked] == [500, 200, 200, 500, 200]


def test_a_stalled_batch_never_comes_and_stopping_does_not_wait_for_it(serve: Serve) -> None:
    gallery = serve("stall")
    assert more(gallery, BATCH)[0] == 200
    connection = http.client.HTTPConnection(urlsplit(gallery.pages.url).netloc, timeout=0.4)
    connection.request("GET", f"/more?q=Lake&start={2 * BATCH}&eid=x")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert len(gallery.truth()["Lake"]) == 2 * BATCH
