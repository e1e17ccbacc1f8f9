"""Each backbone goes the whole way: trained from scratch by the command, exported, measured."""

import json
from pathlib import Path

import pytest
from support.weights import IGNORE_COPIES

from sceneset import cli
from sceneset.bundle.reader import BUNDLE_NAME
from training.models.backbones.table import BACKBONES

pytestmark = [pytest.mark.train, pytest.mark.slow, IGNORE_COPIES]


@pytest.mark.parametrize("name", list(BACKBONES))
def test_a_backbone_trains_from_scratch_and_its_bundle_is_published(
    name: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--dataset", str(drawn), "--out", str(tmp_path / "m"), "--json"]
    code = cli.main([*words, "--backbone", name, "--weights", "none", "--epochs", "1"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0, told
    assert (told["backbone"], told["weights"], told["recipe"]) == (name, "none", "scratch")
    assert (Path(told["bundle"]) / BUNDLE_NAME).is_file()
    assert 0 <= told["metrics"]["top1"] <= 1
