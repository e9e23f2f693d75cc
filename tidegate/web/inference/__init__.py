"""The inference endpoints, with whole and streamed responses."""
