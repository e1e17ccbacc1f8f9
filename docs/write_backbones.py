"""Write docs/backbones.md from the table of backbones."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from training.models.backbones.networks import Backbone  # noqa: E402  the project is put on the path first
from training.models.backbones.table import BACKBONES  # noqa: E402

INTRODUCTION = """# Backbones

`--backbone NAME` chooses the network below the head. `make docs` writes this page from the code.

- **Parameters** are those without the top. **Smallest** is the smallest side of pictures, in px.
- **Scaling** is what happens to pixels of 0 to 255 inside the exported model: `minus_one_to_one`
  x / 127.5 - 1; `caffe` blue, green, red minus ImageNet's means; `torch` x / 255 minus means, over
  deviations; `none` nothing, the network does it by itself. Each is `preprocess_input` of Keras
  Applications (tested).
- **Depths** is how many feature maps the multi-scale head reads, as global averages; the last one is
  always among them.
- **Fine-tuning from** is the layer whose output `--recipe best` keeps on disk; what comes after it
  is trained. Where there is none, `best` is refused before anything is computed.
- **Licence** is what the publisher of the weights says of them. What it says of the pictures they
  were trained on is another matter: ask before you sell.
"""
HEAD = """| backbone | parameters | smallest | scaling | depths | fine-tuning from | `--weights` | licence | from |
|---|---|---|---|---|---|---|---|---|
"""
CLOSING = """
## Weights

`--weights imagenet` (the default) or `places` downloads the file once into Keras' own folder
(`KERAS_HOME`, else `~/.keras`). Whether it can be had is known after 5 s; a checksum is compared
where one is published; nothing half-downloaded stays. `--weights PATH` takes a Keras `.h5` or
`.weights.h5`, for resnet18 and resnet34 also a `.safetensors` of timm or torchvision, with or without
the top: layers are found by name, the others in order, and each must get values of its own shape, or
nothing is trained. `--weights none` trains the whole network from random weights.

| backbone | file |
|---|---|
"""
HUB = """
## Presets of KerasHub

With the extra `hub` (`pip install -e '.[hub]'`) any image preset of KerasHub is a backbone:
`--backbone hf:USER/NAME` from Hugging Face, `--backbone hub:PRESET` by KerasHub's own name,
`--backbone hub:FOLDER` from a folder that `save_to_preset` wrote. Its own scaling is put in front of
it, and the head reads its last feature map; there is no layer to fine-tune from. Its weights have the
licence that its page states. A preset made of layers that Keras itself lacks can be evaluated
only where KerasHub is installed.
"""


def page() -> str:
    """Return the whole page."""
    rows = "".join(_row(row) for row in BACKBONES.values())
    files = "".join(_file(row) for row in BACKBONES.values())
    return INTRODUCTION + "\n" + HEAD + rows + CLOSING + files + HUB


def _row(row: Backbone) -> str:
    own = row.pretrained
    kind, licence, source = (
        (own.kind, own.licence, f"<{own.source}>") if own else ("none", "-", "-")
    )
    cut = f"`{row.fine_tune_from}`" if row.fine_tune_from else "-"
    return (
        f"| {row.name} | {row.parameters:,} | {row.smallest} | {row.scaling} | {len(row.taps) or 1} | {cut}"
        f" | {kind} | {licence} | {source} |\n"
    )


def _file(row: Backbone) -> str:
    if row.pretrained is None:
        return ""
    sizes = ", ".join(map(str, row.pretrained.sizes))
    address = row.pretrained.url.replace("{size}", "SIZE")
    size = f" (SIZE: {sizes}; 224 for all others)" if len(row.pretrained.sizes) > 1 else ""
    return f"| {row.name} | <{address}>{size} |\n"


if __name__ == "__main__":
    (DOCS / "backbones.md").write_text(page(), encoding="utf-8")
