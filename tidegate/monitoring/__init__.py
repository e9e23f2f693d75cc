"""Monitoring: counters, metrics, and the upstream's health."""
