"""Realtime: sessions over a WebSocket, with a conversation, spoken turns, responses, faults and a bill."""
