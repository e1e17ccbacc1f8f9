"""Write a published version in the formats that other tools read: one format per file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from curate.export.formats import croissant, imagefolder, parquet, tfrecord, webdataset
from curate.export.samples import Version, Written
from curate.settings import FormatName

FORMATS: Mapping[FormatName, Callable[[Version, Path], Written]] = {
    "imagefolder": imagefolder.write,
    "parquet": parquet.write,
    "webdataset": webdataset.write,
    "tfrecord": tfrecord.write,
    "croissant": croissant.write,
}
