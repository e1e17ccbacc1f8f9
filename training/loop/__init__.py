"""Train a network epoch by epoch."""
