"""Find keys where they must not be: in container images, and in committed files."""
