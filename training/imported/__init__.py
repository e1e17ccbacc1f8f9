"""Make bundles of models that were trained elsewhere."""
