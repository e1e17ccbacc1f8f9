"""Read what requests and command lines name."""
