"""The inference endpoints, whole and streamed."""
