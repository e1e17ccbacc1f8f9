"""Serve a local replica of an image results page, for the demo and the tests."""
