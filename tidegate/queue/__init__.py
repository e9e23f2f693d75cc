"""The upstream's capacity, shared fairly: when may a call be sent?"""
