"""Build ResNet-18 and -34, which Keras Applications lacks: residual blocks of two 3x3 layers."""

from typing import Any

from training.backend import load_backend

_WIDTHS = (64, 128, 256, 512)
# As in PyTorch, whose weights load: its momentum .1 is .9 in Keras
_EPSILON = 1e-5
_MOMENTUM = 0.9


def resnet18(size: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build ResNet-18: two blocks in each of four stages."""
    return _build((2, 2, 2, 2), size, "resnet18")


def resnet34(size: int) -> Any:  # noqa: ANN401
    """Build ResNet-34: 3, 4, 6 and 3 blocks in the four stages."""
    return _build((3, 4, 6, 3), size, "resnet34")


def _build(blocks: tuple[int, ...], size: int, name: str) -> Any:  # noqa: ANN401
    """Stack the stages of He et al., arXiv:1512.03385, table 1; layers are named as in ResNet-50."""
    keras = load_backend().keras
    image = keras.Input((size, size, 3))
    x = _relu(_convolve(image, 64, "conv1", kernel=7, stride=2), "conv1_relu")
    # Zeros on the border are no maximum after a ReLU.
    x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, (count, width) in enumerate(zip(blocks, _WIDTHS, strict=True), start=2):
        for number in range(1, count + 1):
            stride = 2 if number == 1 and stage > 2 else 1  # noqa: PLR2004  the pool came before stage 2
            x = _block(x, width, f"conv{stage}_block{number}", stride)
    return keras.Model(image, x, name=name)


def _block(x: Any, width: int, name: str, stride: int) -> Any:  # noqa: ANN401
    """Add two convolutions to their input, which a 1x1 convolution fits to them when need be."""
    shortcut = x
    if stride > 1:
        shortcut = _convolve(x, width, f"{name}_0", kernel=1, stride=stride)
    x = _relu(_convolve(x, width, f"{name}_1", stride=stride), f"{name}_1_relu")
    x = _convolve(x, width, f"{name}_2")
    x = load_backend().keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return _relu(x, f"{name}_out")


def _convolve(x: Any, width: int, name: str, *, kernel: int = 3, stride: int = 1) -> Any:  # noqa: ANN401
    """Pad on all sides alike, as PyTorch does, convolve without bias, normalise."""
    layers = load_backend().keras.layers
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(width, kernel, strides=stride, use_bias=False, name=f"{name}_conv")(x)
    normalise = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_bn")
    return normalise(x)


def _relu(x: Any, name: str) -> Any:  # noqa: ANN401
    return load_backend().keras.layers.Activation("relu", name=name)(x)
