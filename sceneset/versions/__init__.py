"""Read, compare and verify what a data set has published."""
