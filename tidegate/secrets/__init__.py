"""Where secrets come from, and how they turn while calls go on.

`sources` reads one secret from the place that a reference names. `watch` reads all configured ones again and again, and
says which have changed. `feed` brings the changes to the parts of a process that use them.
"""
