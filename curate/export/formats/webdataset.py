"""Write WebDataset shards: tar files with `<key>.jpg` (or `.png`), `<key>.cls` and `<key>.json` per sample."""

import io
import json
import tarfile
from pathlib import Path

from curate.export.samples import Version, Written

_HOW = """\
```python
urls = "train-{{000000..{last:06}}}.tar"
webdataset.WebDataset(urls, shardshuffle=False).decode("pil").to_tuple("{ext}", "cls", "json")
datasets.load_dataset("webdataset", data_dir=".")        # Hugging Face
```

`cls` is the label, `json` the facts of the picture. Keys hold no dots: readers cut a name at its
first. Samples are in the order of their keys, which mixes the classes.
"""


def write(version: Version, folder: Path) -> Written:
    """Write `<split>-NNNNNN.tar`, and class_names.txt."""
    for split in version.used_splits:
        for number, samples in enumerate(version.shards(split)):
            with tarfile.open(
                folder / f"{split}-{number:06}.tar", "w", format=tarfile.USTAR_FORMAT
            ) as tar:
                for sample, data in version.read(samples):
                    facts = json.dumps(sample.facts, ensure_ascii=False, sort_keys=True)
                    _add(tar, sample.file_name, data)
                    _add(tar, f"{sample.key}.cls", str(sample.picture.label).encode())
                    _add(tar, f"{sample.key}.json", facts.encode())
    (folder / "class_names.txt").write_bytes(version.class_lines)
    return Written(_HOW.format(last=len(version.shards("train")) - 1, ext=version.suffix[1:]))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file without time or owner, so that the same samples give the same bytes."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
