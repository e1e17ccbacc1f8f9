"""What the stages agree on: the data set on disk, its manifest, pictures, errors and progress."""
