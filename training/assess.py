"""Measure an exported model once on the test split, and gather what its pages show."""

from dataclasses import replace
from pathlib import Path

from training.answers import answer, load_model
from training.calibrate import Temperature, softmax
from training.checks import altered
from training.evaluation import Evaluation, evaluate_answers
from training.pages import Measured
from training.review import find_doubts
from training.setup import Setup, Trained
from training.sources import count_sources
from training.tags import TagRule, fit_rule


def assess(
    keras_file: Path, setup: Setup, trained: Trained, temperature: Temperature
) -> tuple[Measured, Evaluation]:
    """Run the file over the test pictures.

    Those that cannot be read, or were altered since they were published, are left out and named.
    """
    version, settings = setup.version, setup.settings
    doubts = find_doubts(setup, trained)
    with setup.watch.step("measure"):
        model = load_model(keras_file)
        # Hours may have passed since the check at the start.
        gone = {str(path): why for path, why in altered(version.splits["test"])}
        test = [one for one in version.splits["test"] if str(one.path) not in gone]
        bar = setup.bars.add("measuring", total=len(test))
        answers = answer(model, test, version.size, version.fit, bar)
        answers = replace(answers, unreadable=gone | answers.unreadable)
        rule = tag_rule(setup, trained, temperature.chosen)
        found = evaluate_answers(answers, temperature.chosen, rule, seed=settings.seed)
    calibration = replace(found.calibration, fit=temperature)
    looked = settings.suspects and trained.features is not None
    sources = count_sources(settings.dataset / "manifest.db", version)
    measured = Measured(model, answers, doubts, looked, sources)
    return measured, replace(found, calibration=calibration)


def tag_rule(setup: Setup, trained: Trained, temperature: float) -> TagRule:
    """Return the published rule, or with --fit-tags the one fitted on the validation pictures."""
    if not setup.settings.fit_tags:
        return TagRule()
    rule = fit_rule(softmax(trained.val_logits / temperature), setup.version.labels("val"))
    if not rule.fitted:
        setup.say("too few validation pictures to fit the tag rule on: it stays as published")
    return rule
