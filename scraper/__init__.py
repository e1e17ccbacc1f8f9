"""Turn search results into raw pictures and sightings."""
