"""The dashboard's figures: what the overview shows, and the ring of minutes that it is read from."""
