"""Write Croissant 1.1: pictures, a table of their facts, and JSON-LD that joins the two.

Class names stand in the JSON-LD itself: readers of the table would turn a class `007` into the
number 7 and a class `NA` into nothing.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.export.samples import Sample, Version, Written
from sceneset.manifest.rows import SPLITS
from sceneset.versions.published import record_json

RECORDS = "pictures.csv"
_TYPES = {"label": "sc:Integer", "width": "sc:Integer", "height": "sc:Integer"}
_HOW = """\
```python
data = mlcroissant.Dataset("croissant.json")
for picture in data.records("pictures"):                 # pictures/image, pictures/label, ...
    ...
names = [row["classes/name"] for row in data.records("classes")]   # by label
```
"""
# The context of the specification, without the terms that only other kinds of data need.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write(version: Version, folder: Path) -> Written:
    """Write images/<split>/<key>.jpg, pictures.csv and croissant.json."""
    samples = []
    for split in SPLITS:
        (folder / "images" / split).mkdir(parents=True)
        for sample, data in version.read(version.samples[split]):
            (folder / "images" / split / sample.file_name).write_bytes(data)
            samples.append(sample)
    table = _table(samples)
    (folder / RECORDS).write_bytes(table)
    # `label` implies the class name.
    columns = [name for name in _row(samples[0]) if name != "class"]
    metadata = _metadata(version, table, columns)
    (folder / "croissant.json").write_bytes(record_json(metadata))
    return Written(_HOW)


def _row(sample: Sample) -> dict[str, str | int]:
    return {"file_name": sample.file_name, "split": sample.picture.split, **sample.facts}


def _table(samples: Sequence[Sample]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(_row(samples[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(sample) for sample in samples)
    return text.getvalue().encode()


def _metadata(version: Version, table: bytes, columns: Sequence[str]) -> dict[str, Any]:
    total = sum(len(samples) for samples in version.samples.values())
    published = {"datePublished": version.published_at[:10]} if version.published_at else {}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": version.name,
        "description": f"{total} pictures of {len(version.class_names)} classes. "
        "Licences and pages of origin stand with each picture; see README.md.",
        "license": sorted({s.origin.licence_url or s.origin.licence for s in version.all()}),
        "citeAs": f"{version.name}, version {version.number}, {version.id}",
        "version": f"{version.number}.0.0",
        **published,
        "distribution": _distribution(version, table),
        "recordSet": [_classes(version.class_names), _pictures(columns)],
    }


def _distribution(version: Version, table: bytes) -> list[dict[str, Any]]:
    encoding = "image/png" if version.suffix == ".png" else "image/jpeg"
    return [
        {
            "@type": "cr:FileObject",
            "@id": RECORDS,
            "name": RECORDS,
            "description": "One row per picture.",
            "contentUrl": RECORDS,
            "contentSize": f"{len(table)} B",
            "encodingFormat": "text/csv",
            "sha256": hashlib.sha256(table).hexdigest(),
        },
        {
            "@type": "cr:FileSet",
            "@id": "image-files",
            "name": "image-files",
            "description": "The pictures.",
            "encodingFormat": encoding,
            "includes": f"images/*/*{version.suffix}",
        },
    ]


def _classes(class_names: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "description": "Class names by label.",
        "key": {"@id": "classes/label"},
        "field": [
            _field("classes", "label", "sc:Integer"),
            _field("classes", "name", ["sc:Text", "sc:name"]),
        ],
        "data": [
            {"classes/label": label, "classes/name": name} for label, name in enumerate(class_names)
        ],
    }


def _pictures(columns: Sequence[str]) -> dict[str, Any]:
    image = _field("pictures", "image", "sc:ImageObject") | {
        "source": {"fileSet": {"@id": "image-files"}, "extract": {"fileProperty": "content"}}
    }
    named = {
        name: _field("pictures", name, _TYPES.get(name, "sc:Text"))
        | {"source": {"fileObject": {"@id": RECORDS}, "extract": {"column": name}}}
        for name in columns
    }
    named["file_name"] |= {
        "references": {
            "fileSet": {"@id": "image-files"},
            "extract": {"fileProperty": "filename"},
        }
    }
    named["label"] |= {"references": {"field": {"@id": "classes/label"}}}
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "The pictures with their facts.",
        "key": {"@id": "pictures/key"},
        "field": [image, *named.values()],
    }


def _field(record_set: str, name: str, data_type: str | list[str]) -> dict[str, Any]:
    place = f"{record_set}/{name}"
    return {"@type": "cr:Field", "@id": place, "name": place, "dataType": data_type}
