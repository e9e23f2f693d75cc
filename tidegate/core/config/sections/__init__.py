"""The sections of the configuration: one module each, under the section's name."""
