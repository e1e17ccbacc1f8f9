"""Write Parquet files as the Hugging Face hub lays them out, class names in the schema."""

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from curate.export.samples import LONG_NAMES, Sample, Version, Written
from sceneset.errors import MissingExtraError

Arrow = Any  # an optional package, loaded where it is used

ROWS_PER_GROUP = 100
_TYPES = {"label": "int64", "width": "int32", "height": "int32"}
COLUMNS = (
    "key", "class", "label", "sha256", "group", "width", "height", "page_url", "site", "engine",
    "licence", "licence_url", "creator", "attribution",
)  # fmt: skip
_HOW = """\
```python
datasets.load_dataset(".")                               # Hugging Face; labels have their names
pyarrow.parquet.read_table("data/train-00000-of-{shards:05}.parquet")
```

`image` is a struct of the file's bytes and its name. Class names and their order stand in the
schema's metadata under `huggingface`.
"""


def write(version: Version, folder: Path) -> Written:
    """Write `data/<split>-NNNNN-of-NNNNN.parquet`. Raises MissingExtraError without pyarrow."""
    try:
        pa = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format parquet needs the package pyarrow, which is not installed",
            cure="pip install -e '.[formats]', or choose another --format",
        ) from error
    schema = _schema(pa, version)
    sizes = {}
    (folder / "data").mkdir()
    for split in version.used_splits:
        shards = version.shards(split)
        sizes[split] = 0
        for number, samples in enumerate(shards):
            name = f"{LONG_NAMES[split]}-{number:05}-of-{len(shards):05}.parquet"
            with parquet.ParquetWriter(folder / "data" / name, schema) as writer:
                for table in _tables(pa, schema, version, samples):
                    writer.write_table(table)
                    sizes[split] += table.nbytes
    return Written(_HOW.format(shards=len(version.shards("train"))), _front(version, folder, sizes))


def _schema(pa: Arrow, version: Version) -> Arrow:
    """Return the columns, with what the `datasets` library calls their features."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = [(name, getattr(pa, _TYPES.get(name, "string"))()) for name in COLUMNS]
    typed = {name: {"dtype": _TYPES.get(name, "string"), "_type": "Value"} for name in COLUMNS}
    label = {"names": version.class_names, "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, **typed, "label": label}
    described = json.dumps({"info": {"features": features}}, ensure_ascii=False)
    return pa.schema([("image", image), *columns], metadata={"huggingface": described})


def _tables(
    pa: Arrow, schema: Arrow, version: Version, samples: Sequence[Sample]
) -> Iterator[Arrow]:
    rows = (
        {"image": {"bytes": data, "path": sample.file_name}, **sample.facts}
        for sample, data in version.read(samples)
    )
    while group := list(islice(rows, ROWS_PER_GROUP)):
        yield pa.Table.from_pylist(group, schema=schema)


def _front(version: Version, folder: Path, sizes: dict[Any, int]) -> dict[str, Any]:
    """Return what the hub reads from the card: where the splits are, and their features."""
    stored = sum(path.stat().st_size for path in (folder / "data").iterdir())
    names = {str(label): name for label, name in enumerate(version.class_names)}
    dtypes: dict[str, Any] = {"image": "image"}
    dtypes |= {name: _TYPES.get(name, "string") for name in COLUMNS}
    dtypes["label"] = {"class_label": {"names": names}}
    splits = [
        {"name": LONG_NAMES[s], "num_bytes": sizes[s], "num_examples": len(version.samples[s])}
        for s in version.used_splits
    ]
    files = [
        {"split": LONG_NAMES[s], "path": f"data/{LONG_NAMES[s]}-*"} for s in version.used_splits
    ]
    return {
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {
            "features": [{"name": name, "dtype": dtype} for name, dtype in dtypes.items()],
            "splits": splits,
            "download_size": stored,
            "dataset_size": sum(sizes.values()),
        },
    }
