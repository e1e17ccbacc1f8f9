"""Take in models that were trained elsewhere, and make bundles of them."""
