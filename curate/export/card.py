"""Write the card of an export: front matter for hubs, then what the pictures are, for people."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curate.export.samples import Version, Written
from sceneset.manifest.rows import SPLITS

SITES_SHOWN = 20
_MARKUP = frozenset("\\`*_{}[]<>()#+!|&~$")
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (float("inf"), "1M<n<10M"),
)

_CARD = """\
---
{{ front }}
---
# {{ version.name | plain }}

{{ total }} pictures of {{ version.class_names | length }} classes, {{ version.record.size }} x \
{{ version.record.size }} px, made by sceneset. Version {{ version.number }}, id `{{ version.id }}`\
{% if version.published_at %}, published {{ version.published_at[:10] }}{% endif %}\
{% if seen %}; the pictures were collected between {{ seen[0][:10] }} and {{ seen[1][:10] }}{% endif %}.

## Counts

| label | class |{% for split in splits %} {{ split }} |{% endfor %}

|---|---|{% for split in splits %}---|{% endfor %}

{% for name in version.class_names %}
| {{ loop.index0 }} | {{ name | plain }} |\
{% for split in splits %} {{ version.record.counts[name][split] }} |{% endfor %}

{% endfor %}
| | all |{% for split in splits %} {{ version.samples[split] | length }} |{% endfor %}


## How to read it

{{ how_to_read }}
## Sources

Sites: {{ known_sites }}. Pictures: {% for source, n in sources %}\
{{ source | plain }} ({{ n }}){{ ", " if not loop.last }}{% endfor %}. Each picture's page stands \
with it as `page_url`; an adopted one has its path in the adopted folder there.

| site | pictures |
|---|---|
{% for site, n in sites[:shown] %}
| {{ (site or "not known") | plain }} | {{ n }} |
{% endfor %}
{% if sites | length > shown %}
| {{ sites | length - shown }} more | {{ sites[shown:] | sum(attribute=1) }} |
{% endif %}

## Licences

| licence | pictures |
|---|---|
{% for (licence, url), n in licences %}
| {{ licence | plain }}{% if url %} ({{ url | plain }}){% endif %} | {{ n }} |
{% endfor %}

The pictures belong to their authors. `unknown` means that the source named no licence: it gives no
right to publish the picture. Whoever asks for a picture to be taken out is served by
`sceneset forget`.

## How it was cleaned

Of {{ version.record.images }} pictures decided about, {{ version.record.kept }} were kept.

{% if version.record.dropped %}
| left out because | pictures |
|---|---|
{% for reason, n in version.record.dropped | dictsort %}
| {{ reason | plain }} | {{ n }} |
{% endfor %}

{% endif %}
Copies were found by perceptual hashes, and splits keep look-alikes together (column `group`).

| setting | value |
|---|---|
{% for name, value in version.record.settings | dictsort %}
| {{ name | plain }} | {{ value | string | plain }} |
{% endfor %}

## Limits

- A class is what its sources showed for its name, with their preferences and gaps; nobody has
  checked every label.
- Look-alikes that differ more than the hashes see may stand in two splits.
- `width` and `height` are those of the picture as found, before it was resized.
"""


def card(version: Version, written: Written) -> str:
    """Return README.md: front matter for hubs, then the card for people."""
    from jinja2 import Environment  # noqa: PLC0415  only an export needs it

    environment = Environment(  # noqa: S701  Markdown, not HTML; `plain` escapes what is not ours
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["plain"] = plain
    samples = list(version.all())
    seen = sorted(s.origin.seen_at for s in samples if s.origin.seen_at)
    return environment.from_string(_CARD).render(
        front="\n".join(yaml_lines(_front_matter(version, written, len(samples)))),
        version=version,
        total=len(samples),
        splits=SPLITS,
        seen=(seen[0], seen[-1]) if seen else None,
        how_to_read=written.how_to_read,
        sources=_ranked(s.origin.source for s in samples),
        known_sites=len({s.picture.site for s in samples if s.picture.site}),
        sites=_ranked(s.picture.site for s in samples),
        licences=_ranked((s.origin.licence, s.origin.licence_url) for s in samples),
        shown=SITES_SHOWN,
    )


def _front_matter(version: Version, written: Written, total: int) -> dict[str, Any]:
    known = any(s.origin.licence != "unknown" for s in version.all())
    return {
        "license": "other" if known else "unknown",
        "task_categories": ["image-classification"],
        "size_categories": [next(name for limit, name in _SIZES if total < limit)],
        "pretty_name": version.name,
        **written.front_matter,
    }


def _ranked(items: Iterator[Any]) -> list[tuple[Any, int]]:
    """Return each item with its number, the most frequent first."""
    return sorted(Counter(items).items(), key=lambda pair: (-pair[1], pair[0]))


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML."""
    return "".join(f"&#{ord(c)};" if c in _MARKUP else c for c in " ".join(text.split()))


def yaml_lines(value: Mapping[str, Any]) -> list[str]:
    """Return a mapping as YAML block lines; scalars are JSON, which YAML reads alike."""
    lines = []
    for name, item in value.items():
        key = json.dumps(name, ensure_ascii=False) if not name.isidentifier() else name
        if isinstance(item, Mapping) and item:
            lines += [f"{key}:", *(f"  {line}" for line in yaml_lines(item))]
        elif isinstance(item, Sequence) and not isinstance(item, str):
            lines += [f"{key}:", *(line for one in item for line in _yaml_item(one))]
        else:
            lines.append(f"{key}: {json.dumps(item, ensure_ascii=False)}")
    return lines


def _yaml_item(item: object) -> list[str]:
    if not isinstance(item, Mapping):
        return [f"- {json.dumps(item, ensure_ascii=False)}"]
    first, *rest = yaml_lines(item)
    return [f"- {first}", *(f"  {line}" for line in rest)]
