"""Who answers, and how each provider speaks."""
