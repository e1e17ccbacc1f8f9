"""Find picture files, bound them, open those of phones."""
