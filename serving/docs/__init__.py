"""Describe the routes as OpenAPI and as a page."""
