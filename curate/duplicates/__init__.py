"""Find pictures that are copies of each other."""
