"""One call's entry in the ledger: every column of the table `ledger`, declared once.

To add a column, add a field here and a migration, and set the field in `pipeline/prepare.py` (known before the call) or
`metering/accountant.py` (known after it). The INSERT and the encoding follow from the fields.
"""

import msgspec


class LedgerEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One call's entry in the ledger; the fields are the columns of the table `ledger`."""

    id: str
    """The request id; an entry is written once for each id."""
    at: float
    """Unix seconds of the call's arrival."""
    project: str
    key_id: str
    end_user: str | None
    route: str
    model: str
    served_model: str | None = None
    provider: str | None = None
    outcome: str
    """`ok`, or the name of the typed error."""
    cache: str
    """`hit`, `semantic`, `joined`, `stale`, `miss` or `off`."""
    stream: bool
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """Input tokens that the provider wrote to its prompt cache, for which some models charge more."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cost_nanos: int = 0
    """The call's cost in nano-dollars (1e-9 USD), including its fees."""
    fee_nanos: int = 0
    """The part of the cost that is no tokens: searches, containers, images."""
    unpriced: bool = False
    """Whether a price was not known, so that the cost is what the configuration says, or too low."""
    saved_nanos: int = 0
    """The cost that the cache saved, in nano-dollars."""
    latency_ms: int = 0
    first_byte_ms: int | None = None
    upstream_request_id: str | None = None
    attempts: int = 0
    """How often the call was sent upstream."""
    fallback_step: str | None = None
    """The fallback step that answered, or failed last; None if no upstream call was needed."""
    credential: str | None = None
    """The name of the upstream credential that answered, or failed last."""
    error_text: str | None = None
    """The error in the upstream's own words, else the gateway's sentence: one line, scrubbed, bounded.

    That of a stale answer or a canned reply is the failure that led to it.
    """
    queue_ms: int = 0
    """How long the call waited in the queue."""
    answer_from: str | None = None
    """The id of the call whose answer this one received: from the cache, or because it joined that call."""
    repeats: int = 0
    """How many more refusals of the same kind the entry stands for, where a key was refused very often."""
    tags: dict[str, str] | None = None
    """The values of the call's tags by their names; None if it has none."""
