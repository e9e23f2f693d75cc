"""Commands of those who watch a gateway: what happens in it, what is wrong with it, and who did what."""
