"""Hold the networks below the head: how they are built, their weights, the table of them."""
