"""Fetch over HTTP within limits: safe hosts, a gentle rate, previews, answers of APIs."""
