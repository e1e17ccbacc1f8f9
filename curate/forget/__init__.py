"""Take pictures out of everything a data set holds."""
