"""Turn curated pictures into a model, its metrics and a bundle."""
