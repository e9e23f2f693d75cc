"""Groups of parts as the composition root puts them together."""
