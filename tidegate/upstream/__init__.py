"""Who answers: the transport to OpenAI, what its answers mean, and what its failures are called."""
