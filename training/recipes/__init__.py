"""Train a network by a recipe: from a published version to a network that gives logits."""
