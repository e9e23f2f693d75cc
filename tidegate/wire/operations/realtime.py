"""The operations that make secrets of Realtime sessions, which a client then opens at OpenAI itself.

What happens in such a session passes this gateway by. Its usage cannot be seen: the label says `unmetered`.
"""

from tidegate.wire.operations.operation import BodyKind, ChargeBasis, Operation

CLIENT_SECRETS = tuple(
    Operation(
        label=f"realtime.unmetered.{name}",
        method="POST",
        path=f"/v1/realtime/{path}",
        body=BodyKind.JSON,
        charge=ChargeBasis.UNMETERED,
    )
    for name, path in (
        ("client_secrets", "client_secrets"),
        ("sessions", "sessions"),
        ("transcription_sessions", "transcription_sessions"),
        ("translations", "translations/client_secrets"),
    )
)
