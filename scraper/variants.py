"""Plan the variants of a query that give other results than the query itself."""

from collections.abc import Mapping

from scraper.engines.engine import Engine


def variants_of(engine: Engine, asked: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the option values of each variant, in the engine's order, each once.

    What was asked for stays; a variant that contradicts it, or adds nothing to it, is left out.
    """
    plan: list[dict[str, str]] = []
    for variant in engine.variants:
        merged = {**variant, **asked}
        kept = all(merged[name] == value for name, value in variant.items())
        if kept and merged != dict(asked) and merged not in plan:
            plan.append(merged)
    return plan
