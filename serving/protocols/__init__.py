"""One client contract per file, all answered by the same service."""
