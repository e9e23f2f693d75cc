"""Answers near-misses of the exact cache, within a share of wrong answers that is set beforehand."""
