"""What earlier releases left on disk opens and works as before."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from support.earlier import SCHEMAS, write_bundle, write_dataset

from sceneset import cli

NAMES = ("red", "green", "blue")


def ran(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    """Run a command with --json; it must end well."""
    code = cli.main([*map(str, words), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    summary: dict[str, object] = json.loads(out)
    return summary


@pytest.mark.parametrize("schema", range(1, len(SCHEMAS) + 1))
def test_a_data_set_of_every_earlier_schema_is_read_checked_exported_and_curated_again(
    schema: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "old"
    rows = write_dataset(root, schema)
    table = (root / "curated" / "current" / "manifest.csv").read_bytes()
    record = json.loads((root / "curated" / "current" / "dataset.json").read_bytes())

    counted = ran(capsys, "status", "--dataset", root)
    assert str(len(rows)) in json.dumps(counted)
    ran(capsys, "verify", "--dataset", root)
    ran(capsys, "export", "--dataset", root, "--format", "imagefolder", "--out", tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == len(rows)

    curated = ran(capsys, "curate", "--dataset", root, "--executor", "serial")
    assert curated["version"] == record["version"]
    assert (curated["kept"], curated["moved"]) == (len(rows), 0)
    assert (root / "curated" / "versions" / "1" / "manifest.csv").read_bytes() == table

    ran(capsys, "forget", "--dataset", root, "--sha256", rows[0][4])
    ran(capsys, "verify", "--dataset", root)


def test_a_bundle_of_an_earlier_release_classifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(tmp_path / "old" / "1", NAMES)
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "#f02010").save(buffer, "PNG")
    (tmp_path / "red.png").write_bytes(buffer.getvalue())
    answer = ran(capsys, "classify", tmp_path / "red.png", "--model", tmp_path / "old")
    assert '"label": "red"' in json.dumps(answer)
