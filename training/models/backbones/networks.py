"""Build the networks that the table names, with random weights and without their tops."""

from typing import Any

from training.models.backend import load_backend


def mobilenet_v2(size: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build MobileNetV2 of width 1."""
    return _build("MobileNetV2", size)


def mobilenet_v3_large(size: int) -> Any:  # noqa: ANN401
    """Build MobileNetV3-Large of width 1; it scales pictures 0..255 by itself."""
    return _with_named_output(_build("MobileNetV3Large", size))


def efficientnet_v2_b0(size: int) -> Any:  # noqa: ANN401
    """Build EfficientNetV2-B0; it scales pictures 0..255 by itself."""
    return _build("EfficientNetV2B0", size)


def resnet50(size: int) -> Any:  # noqa: ANN401
    """Build ResNet-50."""
    return _build("ResNet50", size)


def resnet101(size: int) -> Any:  # noqa: ANN401
    """Build ResNet-101."""
    return _build("ResNet101", size)


def resnet152(size: int) -> Any:  # noqa: ANN401
    """Build ResNet-152."""
    return _build("ResNet152", size)


def convnext_tiny(size: int) -> Any:  # noqa: ANN401
    """Build ConvNeXt-T; it scales pictures 0..255 by itself."""
    return _with_named_output(_build("ConvNeXtTiny", size))


def vgg16(size: int) -> Any:  # noqa: ANN401
    """Build VGG-16."""
    return _build("VGG16", size)


def _build(name: str, size: int) -> Any:  # noqa: ANN401
    network = getattr(load_backend().keras.applications, name)
    return network(weights=None, include_top=False, input_shape=(size, size, 3))


def _with_named_output(network: Any) -> Any:  # noqa: ANN401
    """Name the last feature map `out` where Keras numbers that layer by how many it has built."""
    keras = load_backend().keras
    out = keras.layers.Identity(name="out")(network.output)
    return keras.Model(network.input, out, name=network.name)


_WIDTHS = (64, 128, 256, 512)
# As in PyTorch, whose weights load: its momentum .1 is .9 in Keras
_EPSILON = 1e-5
_MOMENTUM = 0.9


def resnet18(size: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build ResNet-18: two blocks in each of four stages."""
    return _build_resnet((2, 2, 2, 2), size, "resnet18")


def resnet34(size: int) -> Any:  # noqa: ANN401
    """Build ResNet-34: 3, 4, 6 and 3 blocks in the four stages."""
    return _build_resnet((3, 4, 6, 3), size, "resnet34")


def _build_resnet(blocks: tuple[int, ...], size: int, name: str) -> Any:  # noqa: ANN401
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


_STEM = 32
_BLOCKS = ((64, 1), (96, 2), (128, 2))
_SIDE = 40


def build_small(size: int) -> Any:  # noqa: ANN401  Keras has no types
    """Build a plain convolutional network that trains in seconds on a thousand pictures.

    It sees them at about 40 px: of eight layouts on 36 drawn classes at 160 px this was the most
    accurate and the second fastest. Full convolutions: depthwise ones took longer on a CPU and
    were less accurate.
    """
    layers = load_backend().keras.layers
    image = load_backend().keras.Input((size, size, 3))
    x = layers.AveragePooling2D(max(1, size // _SIDE))(image)
    x = layers.Conv2D(_STEM, 3, strides=2, padding="same", use_bias=False)(x)
    for width, stride in _BLOCKS:
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return load_backend().keras.Model(image, x, name="small")
