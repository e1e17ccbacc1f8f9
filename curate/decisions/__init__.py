"""Decide which pictures are kept, under which class."""
