"""The objects of `tidegate.pipeline.passthrough`."""

from collections.abc import Mapping

from tidegate.assembly.auth import AuthParts
from tidegate.assembly.base import Base
from tidegate.assembly.limits import LimitParts
from tidegate.assembly.operations.ownership import OwnershipParts
from tidegate.assembly.queue import QueueParts
from tidegate.core.config import ConfigError, Settings
from tidegate.metering import price_list
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.operation_prices import OperationPrices
from tidegate.metering.prices import Prices
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.ownership.deletion import ObjectDeletion
from tidegate.ownership.object_store import ObjectStore
from tidegate.pipeline.passthrough.account import OperationAccount
from tidegate.pipeline.passthrough.batch_input import BatchInputCheck
from tidegate.pipeline.passthrough.body import UploadBounds
from tidegate.pipeline.passthrough.object_calls import ObjectCalls
from tidegate.pipeline.passthrough.owners import OperationOwners
from tidegate.pipeline.passthrough.sending import OperationSender
from tidegate.pipeline.passthrough.story import Passthrough
from tidegate.providers.base import OperationProvider, Provider
from tidegate.providers.registry import HeaderForwarding
from tidegate.routing.health.registry import HealthRegistry


async def make_passthrough(  # noqa: PLR0913, PLR0917  # a parameter for each part
    base: Base,
    auth: AuthParts,
    limits: LimitParts,
    queue: QueueParts,
    ledger: Ledger,
    providers: Mapping[str, Provider],
    health: HealthRegistry,
    traffic: TrafficHealth,
    ownership: OwnershipParts,
) -> Passthrough:
    """Return what answers calls to operations; objects of erased end users are deleted from now on.

    Raises ConfigError where their provider cannot.
    """
    settings, clock = base.settings, base.clock
    provider = _provider_of(settings, providers)
    calls = ObjectCalls(provider)
    await base.start(ObjectDeletion(base.postgres, ObjectStore(base.postgres, clock), calls.delete))
    return Passthrough(
        keys=auth.keys,
        admission=limits.admission,
        ledger=ledger,
        prices=OperationPrices(
            Prices(settings.metering, price_list.load(settings.metering.price_file)),
            provider=settings.passthrough.provider,
        ),
        owners=_operation_owners(settings, ownership, calls),
        sender=OperationSender(provider, health=health, queue_slots=queue.slots, clock=clock),
        account=OperationAccount(admission=limits.admission, ledger=ledger, health=traffic, clock=clock),
        forwarding=HeaderForwarding(settings.upstream.forward_headers),
        answer_memory=base.answer_memory,
        config=settings.passthrough,
        bounds=_upload_bounds(settings),
        models=frozenset(settings.models.allowed),
        tag_metadata=tuple(settings.metering.tag_metadata),
        process=base.process,
        queue_seconds=settings.queue.deadline_seconds,
        clock=clock,
    )


def _operation_owners(settings: Settings, ownership: OwnershipParts, calls: ObjectCalls) -> OperationOwners:
    models = frozenset(settings.models.allowed)
    batches = BatchInputCheck(ownership.owners, calls, operations=settings.passthrough.operations, models=models)
    return OperationOwners(ownership.owners, ownership.pages, calls, batches)


def _provider_of(settings: Settings, providers: Mapping[str, Provider]) -> OperationProvider:
    name = settings.passthrough.provider
    provider = providers.get(name)
    if not isinstance(provider, OperationProvider):
        raise ConfigError(
            f"The gateway did not start: passthrough.provider names `{name}`, and there is no such provider. "
            f"Name one of {', '.join(sorted(providers))}."
        )
    return provider


def _upload_bounds(settings: Settings) -> UploadBounds:
    return UploadBounds(
        max_bytes=settings.passthrough.max_upload_bytes,
        silence_seconds=settings.server.body_seconds,
        total_seconds=settings.passthrough.transfer_seconds,
        max_held_bytes=settings.server.max_body_bytes,
    )
