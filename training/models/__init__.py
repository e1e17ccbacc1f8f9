"""Build and run networks: backbone, head, classifier."""
