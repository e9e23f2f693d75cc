"""The shapes in which providers send answers: recognized, put into OpenAI's, and judged. Pure."""
