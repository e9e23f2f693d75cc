"""What every other package may know: configuration, errors, values, clock, identifiers."""
