"""Give every plan, scene and picture a generator of its own, the same one in every run."""

from random import Random


def seeded(*key: object) -> Random:
    """Return the generator that belongs to a key."""
    return Random(" ".join(map(str, key)))  # noqa: S311  reproducible drawings, no secrets
