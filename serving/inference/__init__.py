"""Answer pictures with the model in service."""
