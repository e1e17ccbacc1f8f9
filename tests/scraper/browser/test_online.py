import time

from scraper.browser.chromedriver import is_online


def test_a_host_that_answers_is_online() -> None:
    assert is_online({}, lambda _address: None)


def test_a_refusal_is_offline() -> None:
    def refuse(_address: tuple[str, int]) -> None:
        raise OSError

    assert not is_online({}, refuse)


def test_a_lookup_that_hangs_is_offline_soon() -> None:
    began = time.monotonic()
    assert not is_online({}, lambda _address: time.sleep(2), patience=0.05)
    assert time.monotonic() - began < 1


def test_behind_a_proxy_the_proxy_decides() -> None:
    def refuse(_address: tuple[str, int]) -> None:
        raise OSError

    assert is_online({"HTTPS_PROXY": "http://proxy.example:3128"}, refuse)
