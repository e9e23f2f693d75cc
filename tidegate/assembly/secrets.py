"""Connect the watch over secrets with the parts that use them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from pydantic import SecretStr

from tidegate.assembly.base import Base
from tidegate.core.config import Settings
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.providers.base import Provider
from tidegate.providers.upstream_keys import KeyVerdict, UpstreamKeys
from tidegate.routing.fallback_policy import credential_key
from tidegate.routing.health.registry import HealthRegistry
from tidegate.secrets.feed import SecretFeed, Subscriber, Use
from tidegate.secrets.key_reports import UpstreamKeyReports
from tidegate.secrets.link import WatchHere, WatchLink
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.start import make_watch

_USES = {KeyVerdict.GOOD: Use.IN_USE, KeyVerdict.REFUSED: Use.REFUSED, KeyVerdict.UNKNOWN: Use.LATER}


async def connect_secrets(
    base: Base,
    providers: Mapping[str, Provider],
    health: HealthRegistry,
    link: WatchLink | None,
    *,
    others: Sequence[tuple[SecretReference, Subscriber]] = (),
) -> None:
    """Have new secrets taken into use; without `link` this process watches by itself.

    `others` are secrets of other parts, each with what takes it into use.
    """
    link = link or WatchHere(make_watch(base.settings, base.clock))
    feed = SecretFeed(link.ask, base.clock)
    keys = UpstreamKeys(
        providers,
        base.clock,
        on_turned=lambda provider, credential: health.note_good_key(credential_key(provider, credential)),
    )
    for provider, credential, reference in _references(base.settings):
        feed.subscribe(reference, _offer(keys, provider, credential))
        keys.set_refresher(provider, credential, _refresh(feed, reference))
    for secret, use_url in (
        (base.settings.database_url, base.postgres.use_url),
        (base.settings.redis_url, base.redis.use_url),
    ):
        if isinstance(secret, ReferredSecret):
            feed.subscribe(secret.reference, _use_address(use_url))
    for reference, subscriber in others:
        feed.subscribe(reference, subscriber)
    await base.start(feed)
    await base.start(_key_reports(base, providers))
    await link.start(feed)
    base.on_close(link.close)


def _key_reports(base: Base, providers: Mapping[str, Provider]) -> UpstreamKeyReports:
    def keys_in_use() -> list[str]:
        credentials = [each for provider in providers.values() for each in provider.credentials]
        return [each.secret.get_secret_value() for each in credentials if each.secret is not None]

    refresh_seconds = base.settings.secrets.refresh_seconds
    return UpstreamKeyReports(base.redis, keys_in_use, prefix=base.prefix, refresh_seconds=refresh_seconds)


def _references(settings: Settings) -> list[tuple[str, str, SecretReference]]:
    return [
        (name, credential.name, credential.api_key.reference)
        for name, provider in settings.all_providers.items()
        for credential in provider.credentials
        if isinstance(credential.api_key, ReferredSecret)
    ]


def _offer(keys: UpstreamKeys, provider: str, credential: str) -> Subscriber:
    async def offer(reading: SecretReading) -> Use:
        return _USES[await keys.offer(provider, credential, SecretStr(reading.text))]

    return offer


def _use_address(use_url: Callable[[str], Awaitable[bool]]) -> Subscriber:
    async def offer(reading: SecretReading) -> Use:
        return Use.IN_USE if await use_url(reading.text) else Use.LATER

    return offer


def _refresh(feed: SecretFeed, reference: SecretReference) -> Callable[[], Awaitable[bool]]:
    async def refresh() -> bool:
        return await feed.refreshed(reference)

    return refresh
