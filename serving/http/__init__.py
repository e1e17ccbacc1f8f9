"""Speak HTTP: server, middleware, limits, errors."""
