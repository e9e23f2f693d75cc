"""One request's story, and the steps it is made of."""
