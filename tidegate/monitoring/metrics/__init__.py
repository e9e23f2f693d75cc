"""Metrics: how calls are counted and measured, and the formats that show it."""
