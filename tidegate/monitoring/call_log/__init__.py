"""One line on standard output for each call."""
