"""Single flight: identical calls made at once share one upstream call."""
