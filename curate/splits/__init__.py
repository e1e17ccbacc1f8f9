"""Part the kept pictures into train, val and test without leaks."""
