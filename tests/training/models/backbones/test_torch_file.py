"""Residual networks as PyTorch's users publish them load into ours."""

from pathlib import Path

import pytest
from support.weights import same, torch_tensors, write_safetensors

from sceneset.errors import DamagedDataError
from training.models.backbones.table import build_base
from training.models.backend import load_backend


@pytest.mark.train
@pytest.mark.slow
def test_a_residual_network_of_pytorch_loads_bit_by_bit_and_another_is_refused(
    tmp_path: Path,
) -> None:
    load_backend().keras.utils.set_random_seed(1)
    base = build_base("resnet18", 32, None)
    path = write_safetensors(tmp_path / "a.safetensors", torch_tensors(base))
    again = build_base("resnet18", 32, path)
    assert same(base.get_weights(), again.get_weights())
    with pytest.raises(DamagedDataError, match="do not fit resnet34"):
        build_base("resnet34", 32, path)
    deeper = torch_tensors(build_base("resnet34", 32, None))
    with pytest.raises(DamagedDataError, match="has no place in the network"):
        build_base("resnet18", 32, write_safetensors(tmp_path / "b.safetensors", deeper))
    for cut, why in ((-1000, "cut short"), (5, "no safetensors file")):
        part = tmp_path / "cut.safetensors"
        part.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DamagedDataError, match=why):
            build_base("resnet18", 32, part)
