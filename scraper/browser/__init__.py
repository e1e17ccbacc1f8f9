"""Drive a headless browser and read results pages in it."""
