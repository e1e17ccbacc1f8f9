"""Fetch over HTTP within limits: safe addresses, a gentle pace, previews, answers of APIs."""
