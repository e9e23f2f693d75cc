"""Three alerts, each fired once and resolved once for the whole fleet: `slow`, `errors` and `cost`.

Each process counts its calls in slots of ten seconds (`recorder.py`, `figures.py`) and shares them. Once in ten seconds
one process judges the figures of all (`judgement.py`, `transition.py`, pure) and writes the alerts' states and the
messages in one transaction (`store.py`). Any process delivers a message, until it is accepted (`delivery.py`).
"""
