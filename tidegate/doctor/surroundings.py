"""Findings on the providers' servers, clocks, the platform in front, keys and money. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tidegate.doctor.finding import DoctorFinding, Verdict, bad, doubtful, good

SKEW_DOUBTFUL, SKEW_BAD = 5.0, 60.0
_CERTIFICATE_DAYS = 14.0
_SOON_SECONDS = 86_400.0
_BALANCER_IDLE_SECONDS = 60
"""The idle timeout of most load balancers."""
MAX_DRIFT = 0.02
"""The part of the provider's costs by which the ledger may differ."""


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a provider's server found. Times are in seconds."""

    provider: str
    host: str
    dns_error: str = ""
    connect_error: str = ""
    tls_error: str = ""
    certificate_days: float | None = None
    """Until its certificate ends."""
    skew: float | None = None
    """How far its clock is ahead of ours."""


class CredentialFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says to a free request with a credential, and what calls found."""

    name: str
    error: str = ""
    """The error's name; empty where the key is accepted."""
    words: str = ""
    """The provider's own words."""
    refused: bool = True
    """Whether the error speaks of the key, not of the provider's troubles."""
    state: str = "healthy"
    """As the replicas share it: `healthy`, `limited`, `out_of_quota`, `invalid`, `suspended`."""


class KeyEnd(msgspec.Struct, frozen=True, kw_only=True):
    """When a caller's key or replaced secret ends."""

    key_id: str
    ends_at: float
    """Unix seconds."""
    is_replaced: bool
    """Whether it is the secret that a rotation replaced."""
    last_used_at: float | None = None


class ServingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of the gateway and of the platform that runs it, in seconds."""

    platform: str = ""
    stop_seconds: int | None = None
    """What the platform waits between SIGTERM and SIGKILL by default; None where it is not known."""
    grace_seconds: int = 30
    keep_alive_seconds: int = 75
    ping_seconds: float = 15.0


def server_findings(facts: ServerFacts) -> Iterator[DoctorFinding]:
    """Yield the findings on a provider's server."""
    where = f"{facts.provider} ({facts.host})"
    if facts.dns_error:
        yield bad("upstream_dns", f"The name of {where} is not found: {facts.dns_error}.",
                  "Check base_url and the machine's DNS.")  # fmt: skip
    elif facts.connect_error:
        yield bad("upstream_connect", f"{where} takes no connection: {facts.connect_error}.",
                  "Check base_url, firewalls and security groups.")  # fmt: skip
    elif facts.tls_error:
        yield bad("upstream_tls", f"The certificate of {where} is not trusted: {facts.tls_error}.",
                  "Set ca_file to the authority that signed it, or mend the server's certificate.")  # fmt: skip
    else:
        yield good("upstream_connect", f"{where} takes connections.")
    if facts.certificate_days is not None and facts.certificate_days < _CERTIFICATE_DAYS:
        yield doubtful("upstream_tls", f"The certificate of {where} ends in {facts.certificate_days:.0f} days.",
                       "Have it renewed.")  # fmt: skip
    if facts.skew is not None:
        yield skew_finding("upstream_clock", f"The clock of {where}", facts.skew)


def skew_finding(check: str, whose: str, skew: float) -> DoctorFinding:
    """Return the finding on a clock that is `skew` seconds ahead of ours."""
    text = f"{whose} is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's."
    remedy = "Set both clocks by NTP: budgets, limits and expiries go by them."
    if abs(skew) >= SKEW_BAD:
        return bad(check, text, remedy)
    return doubtful(check, text, remedy) if abs(skew) >= SKEW_DOUBTFUL else good(check, text)


def credential_finding(facts: CredentialFacts) -> DoctorFinding:
    """Return the finding on one credential."""
    check, remedy = "credential", f"Mend it, then `tidegate upstream resume {facts.name}`."
    if facts.error and not facts.refused:
        return doubtful(check, f"{facts.name} could not be tried ({facts.error}): {facts.words}",
                        "Run the doctor again; see the provider's status page.")  # fmt: skip
    if facts.error:
        return bad(check, f"{facts.name} is refused ({facts.error}): {facts.words}",
                   "Put a valid key in its place; see `tidegate secrets check`.")  # fmt: skip
    if facts.state == "limited":
        return doubtful(check, f"{facts.name} is at its rate limit.", "Raise the account's limit, or add a credential.")
    if facts.state != "healthy":
        return bad(check, f"{facts.name} is {facts.state}: {facts.words or 'it gets no calls'}", remedy)
    return good(check, f"{facts.name} is accepted.")


def serving_findings(facts: ServingFacts) -> Iterator[DoctorFinding]:
    """Yield the findings on time limits."""
    if facts.stop_seconds is not None and facts.grace_seconds >= facts.stop_seconds:
        yield doubtful(
            "platform_stop",
            f"server.grace_seconds is {facts.grace_seconds}, and {facts.platform} kills after {facts.stop_seconds} s "
            "by default.",
            "Leave server.grace_seconds unset, or give the platform two seconds more than it.",
        )
    if facts.keep_alive_seconds <= _BALANCER_IDLE_SECONDS:
        yield doubtful(
            "keep_alive",
            f"server.keep_alive_seconds is {facts.keep_alive_seconds}: load balancers keep connections for "
            f"{_BALANCER_IDLE_SECONDS} s, and get errors on those that the gateway closed.",
            "Set server.keep_alive_seconds above the load balancer's idle timeout.",
        )
    if facts.ping_seconds >= _BALANCER_IDLE_SECONDS:
        yield doubtful(
            "ping",
            f"server.ping_seconds is {facts.ping_seconds:g}: load balancers cut a stream that is silent for "
            f"{_BALANCER_IDLE_SECONDS} s.",
            "Set server.ping_seconds below the load balancer's idle timeout.",
        )
    yield good("probe", "Balancers should ask /readyz; what restarts a stuck process should ask /livez.")


def price_finding(unpriced: Mapping[str, int]) -> DoctorFinding:
    """Return the finding on models of the last week's ledger that have no price now, by their number of calls."""
    if not unpriced:
        return good("prices", "Every model in the ledger of the last week has a price.")
    names = ", ".join(f"{model} ({calls:,})" for model, calls in list(unpriced.items())[:5])
    return bad("prices", f"{len(unpriced)} models in the ledger have no price, by calls: {names}.",
               "Set metering.prices for them, or metering.unknown_model_price.")  # fmt: skip


def budget_findings(warnings: Iterable[tuple[str, str]]) -> Iterator[DoctorFinding]:
    """Yield a finding for each budget that cannot pay: whose it is, and what is wrong."""
    for owner, warning in warnings:
        yield doubtful("budgets", f"{owner}: {warning}", "Raise the budget, or restrict the key's models.")


def key_findings(ends: Iterable[KeyEnd], *, now: float) -> Iterator[DoctorFinding]:
    """Yield a finding for each key that ends within a day and is in use."""
    for end in ends:
        left = end.ends_at - now
        if not 0 < left < _SOON_SECONDS or end.last_used_at is None or now - end.last_used_at > _SOON_SECONDS:
            continue
        what = "The replaced secret of" if end.is_replaced else ""
        text = f"{what} {end.key_id} ends in {left / 3600:.1f} h, and clients still send it.".strip()
        remedy = (
            "Give the clients the new secret." if end.is_replaced else "Extend it, or give the clients another key."
        )
        yield doubtful("key_end", text, remedy)


def secret_finding(setting: str, place: str, error: str) -> DoctorFinding:
    """Return the finding on one secret of the configuration."""
    if error:
        return bad("secret", error, "Mend the place or its permissions; see `tidegate secrets check`.")
    return good("secret", f"{setting} is read from {place}.")


def drift_finding(day: str, ledger_nanos: int, provider_nanos: int) -> DoctorFinding:
    """Return the finding on the last comparison of the ledger with the provider's costs report."""
    drift = abs(ledger_nanos - provider_nanos) / max(provider_nanos, 1)
    text = f"On {day} the ledger differs by {drift:.1%} from the provider's costs report."
    if drift <= MAX_DRIFT:
        return good("drift", text)
    return doubtful("drift", text, f"See `tidegate usage compare --day {day}`: it says what explains the difference.")


def is_wrong(finding: DoctorFinding) -> bool:
    """Return whether an operator must do something."""
    return finding.verdict is not Verdict.GOOD
