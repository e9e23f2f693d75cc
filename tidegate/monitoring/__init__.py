"""Counters, metrics and what they say of the upstream's health."""
