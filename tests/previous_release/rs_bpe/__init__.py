"""Stands in for the tokenizer of the release before, which this one no longer installs; the counts are equal."""
