import pytest

from curate.settings import CurateSettings
from sceneset.errors import SettingsError


def test_shares_are_read_in_the_order_train_val_test() -> None:
    assert CurateSettings(split="0.7,0.2,0.1").shares == {"train": 0.7, "val": 0.2, "test": 0.1}


@pytest.mark.parametrize(
    "split", ["", "0.8,0.2", "0.8,0.1,0.2", "1.1,-0.1,0", "a,b,c", "0,0.5,0.5"]
)
def test_shares_that_cannot_work_are_refused(split: str) -> None:
    with pytest.raises(SettingsError, match="--split"):
        CurateSettings(split=split)


@pytest.mark.parametrize(
    ("name", "value"),
    [("radius", 17), ("leak_radius", 7), ("min_side", -1), ("size", 0), ("keep_versions", 0)],
)
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(SettingsError, match="--" + name.replace("_", "-")):
        CurateSettings(**{name: value})


def test_issues_to_drop_are_split_at_commas() -> None:
    assert CurateSettings(drop="blurry, dark").dropped_issues == ("dark", "blurry")


def test_an_unknown_issue_or_executor_is_refused() -> None:
    with pytest.raises(SettingsError, match="'ugly'"):
        CurateSettings(drop="dark,ugly")
    with pytest.raises(SettingsError, match="executor"):
        CurateSettings(executor="many")


@pytest.mark.parametrize("text", ["dark", "dark=x", "grayscale=1", "ugly=1", "dark=-1", "dark=nan"])
def test_a_threshold_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--thresholds"):
        CurateSettings(thresholds=text)


def test_settings_that_only_shape_the_run_do_not_shape_the_result() -> None:
    fast = CurateSettings(executor="serial", keep_versions=9)
    assert fast.shaping == CurateSettings().shaping != CurateSettings(seed=1).shaping
