"""Files read as package data."""
