"""The admin API for those who watch a gateway: what is wrong with it, and who did what."""
