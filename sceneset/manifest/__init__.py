"""Keep the manifest of a data set: one SQLite file."""
