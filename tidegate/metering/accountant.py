"""Makes ledger entries from the outcomes of calls. Called by the pipeline when it settles a call."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError, UpstreamRejected
from tidegate.core.errors.words import error_text
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Outcome, Usage
from tidegate.metering.estimate import estimate
from tidegate.metering.fees import tool_fees
from tidegate.metering.max_cost import choice_count
from tidegate.metering.pace import PaceMemory
from tidegate.metering.prices import Prices
from tidegate.metering.unseen_output import WritingLimits, unseen_output
from tidegate.wire.charges.usage import MAX_TOKENS, from_wire
from tidegate.wire.output_text import output_texts

SUBSTITUTES = ("stale", "canned")
"""The fallback steps whose answers come from no upstream."""
_NO_USAGE = Usage()
_PRIORITY = "priority"
"""The most expensive service tier.

A caller who asked for it is charged for it, unless the answer states another tier.
"""


class Accountant:
    """Turn outcomes into ledger entries."""

    def __init__(
        self, prices: Prices, *, tokens_per_second: int, providers: Mapping[str, WritingLimits] = MappingProxyType({})
    ) -> None:
        """`tokens_per_second` is the most that an upstream writes while the gateway sees nothing of it.

        `providers` says when each of them stops writing.
        """
        self._prices = prices
        self._paces = PaceMemory(highest=tokens_per_second)
        self._providers = providers
        self._unknown_provider = WritingLimits(tokens_per_second=tokens_per_second)

    def counts_text(self, outcome: Outcome, route: Endpoint) -> bool:
        """Return whether the entry of this outcome needs the texts of its answer, as its usage is not stated."""
        return outcome.sent and not route.free and not _is_whole(_stated_usage(outcome), outcome, route)

    def upstream_entry(
        self,
        initial_entry: LedgerEntry,
        outcome: Outcome,
        *,
        route: Endpoint,
        body: dict[str, Any],
        seconds: float,
        texts: list[str] | None = None,
    ) -> LedgerEntry:
        """Return the entry of a call that was sent upstream; `seconds` is its duration.

        `texts` are those of the answer, where they were found already.
        """
        used = usage = self._usage(initial_entry.model, outcome, route, body, texts)
        charge = _NO_CHARGE if route.free else self._charge(initial_entry, outcome, usage, route, body)
        if outcome.previous_attempts:
            used, charge = self._with_earlier(outcome.previous_attempts, used, charge, initial_entry, route, body)
        if outcome.stream and outcome.error is None and not usage.estimated:
            tokens = (usage.output - usage.reasoning) // choice_count(body)
            self._paces.learn(f"{outcome.provider}/{outcome.target_model}", outcome, tokens)
        first, last = outcome.first_byte_seconds, outcome
        if outcome.fallback_step in SUBSTITUTES and outcome.previous_attempts:
            last = outcome.previous_attempts[-1]
        return msgspec.structs.replace(
            initial_entry,
            served_model=outcome.model,
            provider=outcome.provider or initial_entry.provider,
            outcome=outcome.reported_error.name if outcome.reported_error else "ok",
            cache="stale" if outcome.fallback_step == "stale" else initial_entry.cache,
            input_tokens=used.input,
            cached_tokens=used.cached,
            cache_write_tokens=used.cache_write,
            output_tokens=used.output,
            reasoning_tokens=used.reasoning,
            estimated=used.estimated,
            cost_nanos=charge.nanos,
            fee_nanos=charge.fee_nanos,
            unpriced=charge.unpriced,
            latency_ms=round(seconds * 1000),
            first_byte_ms=None if first is None else round(first * 1000),
            upstream_request_id=outcome.upstream_request_id,
            attempts=outcome.attempts,
            fallback_step=outcome.fallback_step,
            credential=last.credential,
            error_text=None if last.reported_error is None else error_text(last.reported_error),
            queue_ms=outcome.queued_ms,
        )

    def _with_earlier(
        self,
        attempts: Sequence[Outcome],
        used: Usage,
        charge: "_AttemptCharge",
        initial_entry: LedgerEntry,
        route: Endpoint,
        body: dict[str, Any],
    ) -> tuple[Usage, "_AttemptCharge"]:
        """Return what was used and charged, with that of the attempts before the last one."""
        for attempt in attempts:
            usage = self._usage(initial_entry.model, attempt, route, body, None)
            used = used.plus(usage)
            if not route.free:
                charge = charge.plus(self._charge(initial_entry, attempt, usage, route, body))
        return used, charge

    def _charge(
        self, initial_entry: LedgerEntry, attempt: Outcome, usage: Usage, route: Endpoint, body: dict[str, Any]
    ) -> "_AttemptCharge":
        model = attempt.model or attempt.target_model or initial_entry.model
        target = f"{attempt.provider}/{attempt.target_model}" if attempt.target_model else ""
        tier = attempt.service_tier or (
            _PRIORITY if usage.estimated and body.get("service_tier") == _PRIORITY else None
        )
        nanos = self._prices.cost(model, usage, at=initial_entry.at, tier=tier, target=target)
        has_tokens = bool(usage.input or usage.output)
        unpriced = has_tokens and not self._prices.knows(model, target=target)
        if not attempt.sent or not (has_tokens or attempt.events):
            return _AttemptCharge(nanos, 0, unpriced)
        fees = tool_fees(
            self._prices,
            attempt,
            route=route,
            model=model,
            target=target,
            body=body,
            at=initial_entry.at,
            input_tokens=usage.input,
        )
        return _AttemptCharge(nanos + fees.nanos, fees.nanos, unpriced or bool(fees.unpriced))

    def _usage(
        self, model: str, outcome: Outcome, route: Endpoint, body: dict[str, Any], texts: list[str] | None
    ) -> Usage:
        """Return the upstream's own figure, else an estimate that includes the most it may have written unseen.

        The upstream does not charge for a request that it refused before the first word. A figure without input, or an
        absurdly high one, is ignored. The figure of an answer that was cut off may be incomplete, and so is one without
        output of an answer that has text.
        """
        if not outcome.sent or route.free:
            return _NO_USAGE
        stated = _stated_usage(outcome)
        if _is_whole(stated, outcome, route):
            return stated
        if texts is None:
            texts = output_texts(route, outcome.events)
        if not texts and not (outcome.may_be_charged and _reports_no_refusal(outcome)):
            return stated
        counted = estimate(route, model, body, texts)
        if stated.input and stated.output >= counted.output:
            return stated
        target = outcome.target_model or model
        unseen = unseen_output(
            outcome,
            texts,
            counted.output,
            route=route,
            model=target,
            body=body,
            limits=self._writing_limits(outcome, counted.output // choice_count(body)),
        )
        return msgspec.structs.replace(
            counted,
            input=max(counted.input, stated.input),
            output=max(counted.output + unseen, stated.output),
        )

    def _writing_limits(self, outcome: Outcome, tokens: int) -> WritingLimits:
        """Return how fast the target writes, and when it stops; `tokens` were read of one text."""
        target = f"{outcome.provider}/{outcome.target_model}"
        return msgspec.structs.replace(
            self._providers.get(outcome.provider or "", self._unknown_provider),
            tokens_per_second=self._paces.tokens_per_second(target, outcome, tokens),
            earliest_seconds=self._paces.earliest_content(target),
        )


def _stated_usage(outcome: Outcome) -> Usage:
    stated = _NO_USAGE if outcome.usage is None else from_wire(outcome.usage)
    return _NO_USAGE if MAX_TOKENS in (stated.input, stated.output) else stated


def _is_whole(stated: Usage, outcome: Outcome, route: Endpoint) -> bool:
    """Return whether the upstream's own figure is the whole usage of an answer."""
    return bool(stated.input and outcome.error is None and (stated.output or not route.writes))


def _reports_no_refusal(outcome: Outcome) -> bool:
    """Return whether a complete answer does not say itself that the call was refused, as a failed Response does."""
    return outcome.error is not None or not isinstance(outcome.reported_error, UpstreamRejected)


class _AttemptCharge(msgspec.Struct, frozen=True):
    """What one attempt cost, in nano-dollars, with its fees; and whether a price was not known."""

    nanos: int
    fee_nanos: int
    unpriced: bool

    def plus(self, other: "_AttemptCharge") -> "_AttemptCharge":
        return _AttemptCharge(
            self.nanos + other.nanos, self.fee_nanos + other.fee_nanos, self.unpriced or other.unpriced
        )


_NO_CHARGE = _AttemptCharge(0, 0, unpriced=False)


class _HitAccount(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a stored answer says of itself for the ledger entry of a hit."""

    served_model: str | None = None
    provider: str | None = None
    saved_nanos: int = 0
    answer_from: str | None = None


_account_decoder = msgspec.json.Decoder(_HitAccount)


def hit_entry(initial_entry: LedgerEntry, account: bytes) -> LedgerEntry:
    """Return the entry that admission has written for a hit; `account` is stored with the answer, a JSON object."""
    stored = _account_decoder.decode(account) if account else _HitAccount()
    return msgspec.structs.replace(
        initial_entry,
        cache="hit",
        provider=stored.provider or initial_entry.provider,
        served_model=stored.served_model,
        saved_nanos=stored.saved_nanos,
        answer_from=stored.answer_from,
    )


def joined_entry(
    initial_entry: LedgerEntry, *, saved_nanos: int, served_by: str, error: TidegateError | None, seconds: float
) -> LedgerEntry:
    """Return the entry of a call that got its answer from another call, `served_by` a provider and its model.

    `initial_entry` names that call.
    """
    provider, _, model = served_by.partition("/")
    return msgspec.structs.replace(
        initial_entry,
        provider=provider or initial_entry.provider,
        served_model=model or None,
        outcome=error.name if error else "ok",
        saved_nanos=saved_nanos,
        latency_ms=round(seconds * 1000),
        error_text=error_text(error) if error else None,
    )
