"""Answer from a bundle, without TensorFlow."""
