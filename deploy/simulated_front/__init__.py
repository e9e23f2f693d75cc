"""Stand-ins for the front doors of AWS, Google and Azure, each with its limits, to put before a gateway on a laptop.

    python -m deploy.simulated_front http://127.0.0.1:8080

`doors.py` has the limits and where they are from, `proxy.py` keeps them, `__main__.py` starts them.
"""
