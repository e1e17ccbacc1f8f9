"""Read a model's bundle, and explain its answers."""
