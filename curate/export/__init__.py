"""Write a published version for other tools."""
