"""Compares a day of the ledger with the provider's own costs report, and says what may explain the difference. Pure.

The report is OpenAI's `GET /v1/organization/costs`: buckets of a UTC day, with an amount for each API key.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import msgspec

from tidegate.core.money import nanos_of_decimal

MAX_DRIFT = 0.02
"""The part of the provider's costs by which the ledger may differ."""


class CostAmount(msgspec.Struct, frozen=True):
    """An amount of the report."""

    value: Decimal
    currency: str = "usd"


class CostResult(msgspec.Struct, frozen=True, kw_only=True):
    """One group of a bucket."""

    amount: CostAmount | None = None
    api_key_id: str | None = None


class CostBucket(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day."""

    start_time: int
    results: list[CostResult] = []


class CostPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the report."""

    data: list[CostBucket] = []
    has_more: bool = False
    next_page: str | None = None


class LedgerDay(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of one UTC day of a provider. Amounts are in nano-dollars."""

    calls: int = 0
    cost_nanos: int = 0
    fee_nanos: int = 0
    estimated: int = 0
    """Calls whose tokens Tidegate estimated."""
    estimated_nanos: int = 0
    lost: int = 0
    """Calls whose process died: they are charged their whole reservation."""
    lost_nanos: int = 0
    unpriced: int = 0
    """Calls of which a price was not known: the ledger has them at $0."""


class CostDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger beside the provider's report. Amounts are in nano-dollars."""

    day: str
    ledger: LedgerDay
    provider_nanos: int
    by_api_key: Mapping[str, int]
    """The provider's costs by its own id of the API key; empty for costs of no key."""
    explanations: tuple[str, ...] = ()

    @property
    def difference_nanos(self) -> int:
        """How much more the ledger has; negative where the provider charges more."""
        return self.ledger.cost_nanos - self.provider_nanos

    @property
    def ratio(self) -> float:
        """The difference as a part of the provider's costs, without a sign."""
        if not self.provider_nanos:
            return 1.0 if self.ledger.cost_nanos else 0.0
        return abs(self.difference_nanos) / self.provider_nanos

    @property
    def is_close(self) -> bool:
        """Whether the ledger may be trusted as it is."""
        return self.ratio <= MAX_DRIFT


def compare_costs(day: str, start: int, ledger: LedgerDay, pages: Iterable[CostPage]) -> CostDrift:
    """Return the drift of the UTC day that begins at `start`, in Unix seconds."""
    by_key: dict[str, int] = {}
    for page in pages:
        for bucket in page.data:
            for result in bucket.results if bucket.start_time == start else ():
                if result.amount is not None:
                    name = result.api_key_id or ""
                    by_key[name] = by_key.get(name, 0) + nanos_of_decimal(result.amount.value)
    drift = CostDrift(day=day, ledger=ledger, provider_nanos=sum(by_key.values()), by_api_key=by_key)
    return msgspec.structs.replace(drift, explanations=tuple(_explanations(drift)))


def _explanations(drift: CostDrift) -> Iterator[str]:
    """Yield what may explain the difference, the surest first."""
    ledger = drift.ledger
    if ledger.unpriced:
        yield f"{ledger.unpriced:,} calls have no price, so the ledger has them at $0. Set metering.prices."
    if ledger.lost:
        yield (
            f"{ledger.lost:,} calls were lost with their process. They are charged their whole reservation, "
            f"{_usd(ledger.lost_nanos)}; the provider charges what it wrote."
        )
    if ledger.estimated:
        yield (
            f"{ledger.estimated:,} calls broke off before their usage was seen, so {_usd(ledger.estimated_nanos)} "
            "are estimates."
        )
    if ledger.fee_nanos:
        yield f"{_usd(ledger.fee_nanos)} of the ledger are fees of hosted tools, by the configured prices."
    if drift.difference_nanos < 0 and len(drift.by_api_key) > 1:
        yield (
            f"The report has {len(drift.by_api_key)} API keys. Those that the gateway does not use are calls outside "
            "of it: name the gateway's own with --api-key-id."
        )
    elif drift.difference_nanos < 0 and not drift.is_close:
        yield "Calls outside of the gateway with the same key, or a price that was raised: see `tidegate prices`."
    elif drift.difference_nanos > 0 and not drift.is_close:
        yield "Discounts and free tokens of the account, or a report that is not complete yet: it may lag by hours."


def _usd(nanos: int) -> str:
    return f"${nanos / 1e9:,.2f}"
