"""Train by recipe: fast, best, original, scratch."""
