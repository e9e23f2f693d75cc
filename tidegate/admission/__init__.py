"""May this caller spend now, and when? API keys, and the memory of them."""
