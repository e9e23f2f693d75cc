"""What should wake a person? For now: health."""
