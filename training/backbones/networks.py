"""Build the networks of Keras Applications, with random weights and without their tops."""

from typing import Any

from training.backend import load_backend


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
