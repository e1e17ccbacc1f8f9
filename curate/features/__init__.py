"""Compute what is compared: hashes, quality, fidelity, kept once per picture."""
