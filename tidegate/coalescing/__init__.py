"""Identical calls in progress share one upstream call, within a process and between processes."""
