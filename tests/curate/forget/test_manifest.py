import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import forget as forget_support
from support.forget import PAGE, SITE, forgotten, is_sound

from curate.forget.manifest import Sighting, Target, host_name, select
from sceneset.dataset import Dataset
from sceneset.errors import MissingInputError, SettingsError
from sceneset.manifest.store import Manifest

whole, place, dataset = forget_support.whole, forget_support.place, forget_support.dataset

NO_HOSTS = (
    "",
    " ",
    ".",
    ".example.org",
    "*.example.org",
    "user@host.org",
    "a..b",
    "a.b\n",
    "a.\0b",
)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "0 of --site"),
        ({"site": "a.b", "page": "https://a.b/"}, "2 of --site"),
        ({"site": "https://a.b"}, "is not a host name"),
        *(({"site": site}, "is not a host name") for site in NO_HOSTS),
        ({"site": "com"}, "has no dot"),
        ({"site": "example"}, "has no dot"),
        ({"page": "a.b"}, "is not an address"),
        ({"page": "http://[bad/x"}, "is not an address"),
        ({"page": "file://"}, "is not an address"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"sha256": "g" * 64}, "64 hexadecimal digits"),
    ],
)
def test_wrong_settings_are_refused(dataset: Dataset, options: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        forgotten(dataset, **options)


HOSTS = st.sampled_from(["a.org", "b.a.org", "xa.org", "A.org", ""])
SIGHTINGS = st.lists(st.tuples(st.sampled_from(["s1", "s2", None]), HOSTS, HOSTS)).map(
    lambda rows: [
        Sighting(i, sha256, f"https://{host}/p" if host else "", site, "C")
        for i, (sha256, host, site) in enumerate(rows)
    ]
)


@given(SIGHTINGS)
def test_what_stays_shares_no_content_and_no_host_with_what_goes(rows: list[Sighting]) -> None:
    target = Target(site="a.org")
    gone = select(target, rows)
    stays = [row for row in rows if row not in gone]
    contents = {row.sha256 for row in gone} - {None}
    assert not any(row.sha256 in contents or target.matches(row) for row in stays)
    assert all(row.sha256 in contents or target.matches(row) for row in gone)


def test_a_site_is_its_host_and_those_below() -> None:
    target = Target(site="a.org")
    assert target.hosts("A.org", "https://www.a.org:80/x") == {"a.org", "www.a.org"}
    assert target.hosts("xa.org", "https://a.org.example/") == set()


@pytest.mark.parametrize("spelt", [" Example.ORG. ", "example.org"])
def test_a_site_is_found_however_it_is_spelt(spelt: str) -> None:
    assert host_name(spelt) == "example.org"


def test_a_site_of_other_letters_is_one_with_its_ascii_spelling() -> None:
    target = Target(site=host_name("B\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"))
    assert target.site == "xn--bcher-kva.example"
    assert target.refused_hosts() == {target.site, "b\xfccher.example"}
    assert target.hosts("a.b\xfccher.example", f"https://{target.site}/") == {
        "a.b\xfccher.example",
        target.site,
    }


def test_a_site_without_a_dot_is_just_that_host_of_the_data_set(dataset: Dataset) -> None:
    assert Target(site="org").hosts("a.org", "https://org/") == {"org"}
    with Manifest(dataset.manifest_path) as manifest:
        manifest._db.execute("UPDATE sightings SET site = 'shelf' WHERE site = ?", [SITE])
    assert forgotten(dataset, site="shelf").summary["pictures"] == 1


def test_a_stored_address_that_is_none_stops_nobody(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        manifest._db.execute("UPDATE sightings SET page_url = 'http://[bad/x' WHERE class_id = 2")
    assert forgotten(dataset, site=SITE).summary["pictures"] == 1


def test_a_site_that_matches_nothing_is_said_to(dataset: Dataset) -> None:
    lines = forgotten(dataset, site="nowhere.example", in_advance=True).lines
    assert lines[0] == "nothing matched; site nowhere.example is refused from now on"
    assert "nothing matched" not in forgotten(dataset, site=SITE).lines[0]


@pytest.mark.parametrize(
    "spelt",
    [
        f"http://{SITE}/a/0",
        f"HTTPS://{SITE.upper()}:443/a/0/",
        f" https://{SITE}./%61/0#top ",
    ],
)
def test_a_page_is_found_however_it_is_spelt(dataset: Dataset, spelt: str) -> None:
    summary = forgotten(dataset, page=spelt).summary
    assert (summary["pictures"], summary["matched"]) == (1, 1)
    assert len(summary["bundles"]) == 1  # type: ignore[arg-type]
    with Manifest(dataset.manifest_path) as manifest:
        assert (None, None, PAGE) in manifest.tombstones()
    again = forgotten(dataset, page=PAGE).summary
    assert (again["matched"], again["bundles"]) == (1, summary["bundles"])
    assert is_sound(dataset)


def test_a_page_of_another_path_is_another_page(dataset: Dataset) -> None:
    with pytest.raises(MissingInputError, match="matches --page"):
        forgotten(dataset, page=f"{PAGE}?size=large")


def test_a_picture_of_a_folder_is_forgotten_by_its_address(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        manifest._db.execute(
            "UPDATE sightings SET site = '', page_url = 'file:///p/a%20b.jpg' WHERE page_url = ?",
            [PAGE],
        )
    assert forgotten(dataset, page="file:///p/a b.jpg").summary["pictures"] == 1


@given(SIGHTINGS, st.sampled_from(["http://A.org/p/", "https://a.org:443/p#x", "https://a.org/p"]))
def test_all_spellings_of_a_page_go_together(rows: list[Sighting], spelt: str) -> None:
    gone = select(Target(page=spelt), rows)
    assert gone == select(Target(page="https://a.org/p"), rows)
    assert all(row in gone for row in rows if row.page_url.lower() == "https://a.org/p")
