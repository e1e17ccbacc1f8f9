"""Run the commands that answer from a bundle."""
