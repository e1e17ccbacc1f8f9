import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.errors import SettingsError
from scraper.gallery.settings import (
    BEHAVIOURS,
    VINTAGES,
    Behaviour,
    GallerySettings,
    Mix,
    Vintage,
    mixed,
)

ROOT = Path(__file__).resolve().parents[3]
NEVER_DRAWN = {"stall", "sorry", "soft-block", "no-results"}
SEEDS = st.integers(-(2**40), 2**40)


def _is_possible(mix: Mix) -> bool:
    traits = [BEHAVIOURS[name] for name in mix.names]
    groups = Counter(trait.group for trait in traits if trait.group)
    at_home = mix.vintage == "2026" or not any(trait.only_2026 for trait in traits)
    return at_home and all(count == 1 for count in groups.values())


def test_the_table_describes_every_behaviour_there_is() -> None:
    assert tuple(BEHAVIOURS) == get_args(Behaviour)
    assert all(trait.summary for trait in BEHAVIOURS.values())


def test_nothing_is_on_by_default() -> None:
    assert GallerySettings().mix == Mix("2026", frozenset())


@given(SEEDS)
def test_a_seed_always_draws_the_same_mix(seed: int) -> None:
    assert mixed("2026", (), seed) == mixed("2026", (), seed)


@given(SEEDS)
def test_what_a_seed_draws_can_live_together_and_be_got_past(seed: int) -> None:
    mix = mixed("2026", (), seed)
    assert _is_possible(mix)
    assert not mix.names & NEVER_DRAWN


@given(SEEDS, st.sampled_from(VINTAGES), st.sampled_from(sorted(BEHAVIOURS)))
def test_what_is_named_stays_in_a_drawn_mix(seed: int, vintage: Vintage, name: Behaviour) -> None:
    if BEHAVIOURS[name].only_2026:
        vintage = "2026"
    mix = mixed(vintage, [name], seed)
    assert name in mix
    assert _is_possible(mix)
    assert vintage in {"2026", mix.vintage}


def test_seeds_reach_every_vintage_and_every_behaviour_that_may_be_drawn() -> None:
    mixes = [mixed("2026", (), seed) for seed in range(200)]
    assert {mix.vintage for mix in mixes} == set(VINTAGES)
    assert set[str]().union(*(mix.names for mix in mixes)) == set(BEHAVIOURS) - NEVER_DRAWN


@pytest.mark.parametrize(
    ("vintage", "names"),
    [
        ("2026", ("renamed", "no-attributes")),
        ("2026", ("consent", "consent-dialog")),
        ("2026", ("soft-block", "no-results")),
        ("2022", ("renamed",)),
        ("2024", ("imgres-only",)),
    ],
)
def test_what_excludes_each_other_is_refused(
    vintage: Vintage, names: tuple[Behaviour, ...]
) -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        GallerySettings(vintage=vintage, behaviours=names)


def test_an_unknown_behaviour_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="'polite'") as caught:
        GallerySettings(behaviours=("polite",))  # type: ignore[arg-type]
    assert all(name in caught.value.cure for name in BEHAVIOURS)


def test_the_command_line_takes_names_with_commas_and_shows_them_all() -> None:
    command = [sys.executable, "cli.py", "gallery"]
    shown = subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    words = " ".join(shown.stdout.split())
    assert all(f"{name}: " in words for name in BEHAVIOURS)
    wrong = subprocess.run(
        [*command, "--behaviours", "few,polite"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "'polite' is no behaviour" in wrong.stderr
