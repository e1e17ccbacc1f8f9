"""Run the commands that bring pictures in."""
