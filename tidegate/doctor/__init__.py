"""Finds what is wrong with a gateway and its surroundings, without a paid call. Pure findings from probed facts."""
