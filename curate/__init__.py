"""Turn raw pictures into decisions, resized files, splits and a report."""
