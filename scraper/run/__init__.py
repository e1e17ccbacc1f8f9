"""Collect the classes of a run: pages, results, stored pictures, report."""
