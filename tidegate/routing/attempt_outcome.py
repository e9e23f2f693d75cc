"""What became of one attempt, as the ledger wants it. Used by `UpstreamCall`."""

from tidegate.core.errors import TidegateError, UnfinishedAnswer
from tidegate.core.values import Outcome
from tidegate.routing.attempt import Attempt
from tidegate.routing.fallback_policy import SendTo


def attempt_outcome(send_to: SendTo, attempt: Attempt, error: TidegateError | None, *, is_passed_on: bool) -> Outcome:
    """Return the outcome of an attempt; `is_passed_on` is False where the caller saw nothing of it."""
    observer, (seconds, silent, writing) = attempt.observer, attempt.elapsed_seconds()
    mark = UnfinishedAnswer() if error is None and observer.is_unfinished else None
    return Outcome(
        error=error,
        reported_error=error or attempt.reported_error or mark,
        stream=attempt.stream,
        events=tuple(attempt.events) if is_passed_on else (),
        usage=observer.usage,
        model=observer.model,
        service_tier=observer.service_tier,
        storable=error is None and attempt.is_worth_storing,
        sent=attempt.was_sent,
        first_byte_seconds=attempt.first_byte_seconds,
        upstream_request_id=attempt.request_id,
        provider=send_to.target.provider,
        target_model=send_to.target.model,
        credential=send_to.credential.name,
        adaptations=attempt.request.adaptations,
        fallback_step=send_to.fallback_step.value,
        seconds=seconds,
        silent_seconds=silent,
        writing_seconds=writing,
        hang_up_was_seen=attempt.hang_up_was_seen,
        hang_up_delay=attempt.hang_up_delay,
    )
