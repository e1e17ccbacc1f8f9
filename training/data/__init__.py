"""Read published pictures and embed them."""
