"""What every other package may use: configuration, errors, values, clock, identifiers."""
