"""Write a trained model in the formats that others run, and prove that they answer alike."""
