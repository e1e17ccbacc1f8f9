"""Publish a version and its report."""
