"""Measure answers: metrics, calibration, tags, label issues."""
