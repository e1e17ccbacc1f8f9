"""Train for real, on small drawn pictures."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.served_model import serving

from sceneset import cli
from sceneset.bundle.reader import open_bundle
from sceneset.dataset import Dataset, run_lock
from sceneset.errors import LockedError, MissingInputError, UsageError
from sceneset.manifest.store import Manifest
from sceneset.progress import Bars, Outcome, Stopwatch
from serving.inference.engine import Engine
from serving.settings import ServeSettings
from training.commands.evaluate import evaluate
from training.commands.train import recorded, train
from training.data.version import read_version
from training.loop.history import Epochs
from training.loop.trainer import Hyperparameters
from training.models.backbones.table import build_base
from training.models.backend import load_backend
from training.models.classifier import Trunk, build_head, classifier
from training.recipes.context import Setup, val_logits
from training.recipes.fast import fast
from training.recipes.from_pictures import train_from_files
from training.settings import EvaluateSettings, TrainSettings

# Keras 3.15 under numpy 2 warns of itself whenever it reads a variable.
KERAS_WARNING = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings(KERAS_WARNING)]


@pytest.fixture(scope="module")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model folder that was trained from scratch on the drawn classes."""
    out = tmp_path_factory.mktemp("models") / "drawn"
    plan = {"batch_size": 16, "epochs": 12, "learning_rate": 3e-3, "fit_tags": True}
    train(settings=TrainSettings(dataset=drawn, out=out, backbone="small", **plan))
    return out


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of random weights for MobileNetV2."""
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    build_base("mobilenet_v2", 32, None).save_weights(path)
    return path


def metrics_of(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "metrics.json").read_text())
    return found


def test_shapes_in_any_colour_are_learnt_from_scratch(trained: Path) -> None:
    found = metrics_of(trained / "current")
    assert found["recipe"] == "scratch"
    assert found["weights"] == "none"
    assert found["metrics"]["top1"] >= 0.8
    assert found["metrics"]["pictures"] == 24


def test_the_bundle_is_whole_and_readable(trained: Path, drawn: Path) -> None:
    bundle = open_bundle(trained)
    version = read_version(Dataset(drawn))
    assert bundle.folder == trained / "1"
    assert bundle.class_names == version.class_names
    assert (bundle.size, bundle.fit) == (32, "crop")
    assert bundle.record["dataset_version"] == version.id
    written = {p.relative_to(bundle.folder).as_posix() for p in bundle.folder.rglob("*.*")}
    assert written == {*bundle.record["files"], "bundle.json"}
    with bundle.path("class_names.csv").open(newline="") as file:
        assert [row["keys"] for row in csv.DictReader(file)] == list(version.class_names)


def test_serving_gives_the_probabilities_that_were_measured(trained: Path, drawn: Path) -> None:
    bundle = open_bundle(trained)
    version = read_version(Dataset(drawn))
    engine = Engine(bundle, workers=1)
    served = np.array([engine.classify(path.read_bytes()) for path in version.paths("test")])
    assert served.sum(axis=1) == pytest.approx(np.ones(24), abs=1e-5)
    top1 = float(np.mean(served.argmax(axis=1) == version.labels("test")))
    assert top1 == metrics_of(bundle.folder)["metrics"]["top1"]
    log_loss = -np.log(served[np.arange(24), version.labels("test")]).mean()
    assert log_loss == pytest.approx(metrics_of(bundle.folder)["metrics"]["nll"], abs=1e-4)


def test_evaluating_again_gives_the_figures_of_the_training(trained: Path, drawn: Path) -> None:
    outcome = evaluate(settings=EvaluateSettings(model=trained, dataset=drawn))
    before = metrics_of(trained / "current")["metrics"]
    assert outcome.summary["images"] == 24
    assert outcome.summary["metrics"] == {
        name: pytest.approx(before[name], abs=1e-6) for name in ("top1", "top3", "macro_f1", "ece")
    }


def test_a_folder_is_measured_and_what_cannot_be_read_is_named(trained: Path, drawn: Path) -> None:
    folder = drawn / "curated" / "current" / "val"
    bad = folder / "Disc" / "broken.jpg"
    bad.write_bytes(b"\xff\xd8\xff")
    try:
        outcome = evaluate(settings=EvaluateSettings(model=trained, folder=folder))
    finally:
        bad.unlink()
    assert outcome.exit_code == 3
    assert outcome.summary["images"] == 36
    assert str(bad) in outcome.problem


@pytest.mark.slow
def test_the_command_prints_one_json_object_and_no_chatter(
    drawn: Path, weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = f"train --dataset {drawn} --out {tmp_path}/m --weights {weights} --epochs 2 --json"
    assert cli.main(words.split()) == 0
    printed = capfd.readouterr()
    summary = json.loads(printed.out)
    assert printed.err == "training on 180 pictures of 3 classes\n"
    assert {"bundle", "classes", "metrics", "seconds"} <= set(summary)
    assert summary["recipe"] == "fast"
    assert set(summary["metrics"]) == {"top1", "top3", "macro_f1", "ece"}


def test_a_second_fast_run_reads_the_embeddings_and_learns_the_same(
    drawn: Path, weights: Path
) -> None:
    settings = TrainSettings(dataset=drawn, weights=str(weights), epochs=2)
    setup = Setup(settings, read_version(Dataset(drawn)), weights, Bars(None), Stopwatch())
    logits, written = [], set()
    for _ in range(2):
        load_backend().keras.utils.set_random_seed(3)
        logits.append(fast(setup).val_logits)
        cached = [p for p in (drawn / "cache" / "embeddings").iterdir() if p.is_dir()]
        written.add(tuple(sorted((p.name, p.stat().st_mtime_ns) for p in cached)))
    assert np.array_equal(*logits)
    assert len(written) == 1


def test_the_exported_network_gives_the_logits_of_the_head_on_embeddings(
    drawn: Path, weights: Path
) -> None:
    settings = TrainSettings(dataset=drawn, weights=str(weights), epochs=2)
    version = read_version(Dataset(drawn))
    trained = fast(Setup(settings, version, weights, Bars(None), Stopwatch()))
    assert np.allclose(val_logits(trained.network, version), trained.val_logits, atol=1e-4)
    dense = [layer for layer in trained.network.get_layer("head").layers if layer.get_weights()]
    assert [layer.kernel.shape for layer in dense] == [(2528, 512), (512, 3)]


def test_the_original_recipe_trains_the_head_over_a_base_that_stays(drawn: Path) -> None:
    version = read_version(Dataset(drawn))
    base = build_base("small", version.size, None)
    head = build_head(128, 3)
    network = classifier(Trunk(base), head, frozen=True)
    before = [w.copy() for w in base.get_weights()], [w.copy() for w in head.get_weights()]
    epochs = Epochs(Bars(None).add("epochs"), keep_best=False)
    plan = Hyperparameters(epochs=2, batch_size=50)
    train_from_files(network, version, plan=plan, seed=0, epochs=epochs)
    assert (len(epochs.curves), epochs.kept) == (2, 2)
    assert "val_accuracy" in epochs.curves[0]
    assert all(map(np.array_equal, before[0], base.get_weights()))
    assert not any(map(np.array_equal, before[1], head.get_weights()))


@pytest.mark.parametrize(
    ("error", "outcome"), [(KeyboardInterrupt, "interrupted"), (OSError, "failed")]
)
def test_a_run_that_does_not_end_well_is_recorded_as_such(
    publish: Callable[..., Path], error: type[BaseException], outcome: str
) -> None:
    dataset = Dataset(publish({"Disc": {"train": 1}}))
    with pytest.raises(error), recorded(dataset, TrainSettings()):
        raise error
    with Manifest(dataset.manifest_path) as manifest:
        (run,) = manifest.runs("train")
    assert run.outcome == outcome
    assert run.finished_at is not None


@pytest.fixture(scope="module")
def bare(publish: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Return two runs on two classes of three, without a picture to check on."""
    root = publish({"Disc": {"train": 6}, "Stripes": {"train": 6}})
    out = tmp_path_factory.mktemp("models") / "bare"
    settings = TrainSettings(dataset=root, out=out, backbone="small", epochs=1)
    return [train(settings=settings) for _ in range(2)]


def test_classes_without_pictures_are_named_and_no_error(bare: list[Outcome]) -> None:
    outcome = bare[0]
    assert outcome.exit_code == 3
    assert "Frame <b>&" in outcome.problem
    assert outcome.summary["unmeasured"] == ["Disc", "Frame <b>&", "Stripes"]
    assert outcome.summary["metrics"] == dict.fromkeys(("top1", "top3", "macro_f1", "ece"))


def test_a_second_run_publishes_beside_the_first_and_moves_the_link(bare: list[Outcome]) -> None:
    first, second = (Path(str(outcome.summary["bundle"])) for outcome in bare)
    assert (first.name, second.name) == ("1", "2")
    assert (first.parent / "current").readlink() == Path("2")
    assert open_bundle(first).record["name"] == "bare 1"


def test_a_run_is_recorded_with_what_made_it(trained: Path, drawn: Path) -> None:
    with Manifest(drawn / "manifest.db") as manifest:
        run = next(run for run in manifest.runs("train") if run.settings["out"] == str(trained))
    assert run.outcome == "trained"
    assert set(run.versions) == {"python", "tensorflow", "keras", "numpy", "pillow"}
    assert run.counts is not None
    assert run.counts["version"] == 1


def test_names_from_outside_are_escaped_in_the_report(trained: Path) -> None:
    page = (trained / "current" / "report" / "index.html").read_text()
    assert "Frame &lt;b&gt;&amp;" in page
    assert "Frame <b>" not in page
    assert not re.search(r'(src|href)="(?!#|pictures/)', page)


def test_training_waits_for_no_other_training(drawn: Path, tmp_path: Path) -> None:
    settings = TrainSettings(dataset=drawn, out=tmp_path / "m", backbone="small")
    with run_lock(tmp_path / "m", "train"), pytest.raises(LockedError):
        train(settings=settings)
    assert [p.name for p in (tmp_path / "m").iterdir()] == [".lock"]


def test_one_class_is_too_few(publish: Callable[..., Path], tmp_path: Path) -> None:
    root = publish({"Disc": {"train": 3}, "Stripes": {"val": 3}})
    with pytest.raises(MissingInputError, match="1 of 3 classes"):
        train(settings=TrainSettings(dataset=root, out=tmp_path / "m", backbone="small"))


def test_a_model_folder_that_is_a_file_is_refused(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    settings = TrainSettings(dataset=drawn, out=tmp_path / "file" / "m", backbone="small")
    with pytest.raises(UsageError, match="is a file"):
        train(settings=settings)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_data_set_of_other_classes_is_refused(
    trained: Path, publish: Callable[..., Path]
) -> None:
    root = publish({"Disc": {"test": 1}, "Other": {"test": 1}}, ("Disc", "Other"))
    with pytest.raises(UsageError, match="'Other'"):
        evaluate(settings=EvaluateSettings(model=trained, dataset=root))


def test_the_server_tags_by_the_thresholds_that_the_card_states(trained: Path, drawn: Path) -> None:
    card = (trained / "current" / "model_card.md").read_text(encoding="utf-8")
    stated = re.search(r"one tag above ([\d.]+), two tags that sum above ([\d.]+)", card)
    assert stated is not None
    assert "thresholds fitted on validation pictures" in card
    alone, together = map(float, stated.groups())
    assert (alone, together) != (0.9, 0.5)
    with serving(ServeSettings(model=trained, workers=1, watch=0)) as client:
        for path in sorted((drawn / "curated" / "current" / "test").rglob("*.jpg")):
            answer = client.post("/v1/classify?top=2&tags=1", path.read_bytes()).json
            first, second = (label["score"] for label in answer["labels"])
            if min(abs(first - alone), abs(first + second - together)) < 0.005:
                continue  # the card rounds
            names = [label["label"].capitalize() for label in answer["labels"]]
            two = names if first + second > together else ["Unknown"]
            assert answer["tags"] == (names[:1] if first > alone else two)
