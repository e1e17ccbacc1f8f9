"""Run the commands of curation."""
