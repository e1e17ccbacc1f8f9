"""Read one results page or API each."""
