"""A call as a part of a trace that other services also write."""
