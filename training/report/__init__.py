"""Write the training report and the model card."""
