"""The front doors, and what each allows a call. All figures are the vendors' defaults unless the name says otherwise.

A limit is stated here only where the vendor's documentation states it. `docs/guides/deploying-aws.md` and its
neighbours say how to raise it.
"""

import msgspec

_MEGABYTE = 1024 * 1024


class FrontDoor(msgspec.Struct, frozen=True, kw_only=True):
    """What one front door does to a call."""

    name: str
    stands_for: str
    is_buffered: bool = False
    """Whether the client gets nothing before the answer is complete."""
    total_seconds: float | None = None
    """How long a call may take, from its last byte in to its last byte out; None without a limit."""
    idle_seconds: float | None = None
    """How long the gateway may be silent; None without a limit."""
    request_bytes: int | None = None
    """Maximum size of a request's body."""
    answer_bytes: int | None = None
    """Maximum size of an answer that is buffered."""
    timeout_status: int = 504
    """The status that tells of either timeout. Once the answer has begun, its connection is cut instead."""
    answer_too_large_status: int = 500

    def scaled(self, by: float) -> "FrontDoor":
        """Return this door with all its times multiplied."""

        def times(seconds: float | None) -> float | None:
            return None if seconds is None else seconds * by

        return msgspec.structs.replace(
            self, total_seconds=times(self.total_seconds), idle_seconds=times(self.idle_seconds)
        )


DOORS = (
    FrontDoor(
        name="aws-rest-stream",
        stands_for="API Gateway, a regional REST API with responseTransferMode STREAM",
        total_seconds=900,
        idle_seconds=300,
        request_bytes=10 * _MEGABYTE,
    ),
    FrontDoor(
        name="aws-rest-buffered",
        stands_for="API Gateway, a REST API as it is made by default",
        is_buffered=True,
        total_seconds=29,
        request_bytes=10 * _MEGABYTE,
        answer_bytes=10 * _MEGABYTE,
    ),
    FrontDoor(
        name="aws-http-api",
        stands_for="API Gateway, an HTTP API",
        is_buffered=True,
        total_seconds=30,
        request_bytes=10 * _MEGABYTE,
        answer_bytes=10 * _MEGABYTE,
        timeout_status=503,
    ),
    FrontDoor(
        name="aws-load-balancer",
        stands_for="Application Load Balancer with its default idle timeout",
        idle_seconds=60,
    ),
    FrontDoor(
        name="aws-load-balancer-raised",
        stands_for="Application Load Balancer as deploy/aws sets it",
        idle_seconds=910,
    ),
    FrontDoor(name="aws-app-runner", stands_for="App Runner", total_seconds=120),
    FrontDoor(
        name="google-cloud-run",
        stands_for="Cloud Run with its default timeout",
        total_seconds=300,
        request_bytes=32 * _MEGABYTE,
    ),
    FrontDoor(
        name="google-api-gateway",
        stands_for="Google's API Gateway with its default deadline",
        is_buffered=True,
        total_seconds=15,
        request_bytes=32 * _MEGABYTE,
        answer_bytes=32 * _MEGABYTE,
    ),
    FrontDoor(name="azure-container-apps", stands_for="Container Apps", idle_seconds=240),
    FrontDoor(
        name="azure-api-management",
        stands_for="API Management with buffer-response false, on every tier but Consumption",
        idle_seconds=240,
    ),
    FrontDoor(
        name="azure-api-management-buffered",
        stands_for="API Management as it forwards by default",
        is_buffered=True,
        total_seconds=240,
    ),
)
"""Each front door that docs/guides/deploying-*.md speak of."""
