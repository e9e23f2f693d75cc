"""Was this answered, or is somebody already asking? Fingerprints, stored answers, flights."""
