"""Tells the parts of a process that it is about to end: the server sets it, health routes and requests read it."""

import asyncio

from tidegate.core.errors import ShuttingDown


class Lifecycle:
    """How far this process is on its way to its end."""

    def __init__(self) -> None:
        self.is_draining = False
        """Whether load balancers should send no more requests. Requests are still answered."""
        self.is_grace_over = False
        """Whether the server has cancelled the requests that still ran at the end of the grace."""

    def take_cancellation(self) -> ShuttingDown | None:
        """Return the error of a request that the server cancelled; None if its task was cancelled for another reason.

        Call it where the current task catches `CancelledError`. The task may wait again afterwards, to send the error.
        """
        if not self.is_grace_over:
            return None
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return ShuttingDown()
