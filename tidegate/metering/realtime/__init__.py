"""What Realtime sessions used, as money. Pure."""
