"""Lists, a page at a time."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.organization import Collection, Record

_ORDERS = ("asc", "desc")


class PageBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How many objects a page has, and in which order, where the query does not say it."""

    usual: int = 20
    most: int = 100
    order: str = "desc"


USUAL_PAGES = PageBounds()
OLDEST_FIRST = PageBounds(order="asc")
_LONG_NAMES = {"ascending": "asc", "descending": "desc"}
"""What some operations call the orders."""


def page(
    collection: Collection,
    query: Mapping[str, str],
    *,
    view: Callable[[Record], Json] = lambda record: record.body,
    keep: Callable[[Record], bool] = lambda _: True,
    bounds: PageBounds = USUAL_PAGES,
) -> Json:
    """Return one page as `limit`, `order`, `after` and `before` ask for it. Raises Refusal for wrong ones."""
    limit = _limit(query, bounds)
    order = query.get("order", bounds.order)
    order = _LONG_NAMES.get(order, order)
    if order not in _ORDERS:
        raise refusals.wrong_value("order", order, _ORDERS)
    records = collection.newest_first() if order == "desc" else collection.oldest_first()
    records = _between([record for record in records if keep(record)], query)
    shown = records[:limit]
    return list_of([view(record) for record in shown], has_more=len(records) > limit)


def list_of(bodies: Sequence[Json], *, has_more: bool = False) -> Json:
    """Return the object of a list."""
    return {
        "object": "list",
        "data": list(bodies),
        "first_id": bodies[0].get("id") if bodies else None,
        "last_id": bodies[-1].get("id") if bodies else None,
        "has_more": has_more,
    }


def _limit(query: Mapping[str, str], bounds: PageBounds) -> int:
    text = query.get("limit", str(bounds.usual))
    if not text.isdecimal():
        raise refusals.wrong_type("limit", "an integer", text)
    if int(text) < 1:
        raise refusals.out_of_bounds("limit", int(text), "integer", minimum=1)
    if int(text) > bounds.most:
        raise refusals.out_of_bounds("limit", int(text), "integer", maximum=bounds.most)
    return int(text)


def _between(records: list[Record], query: Mapping[str, str]) -> list[Record]:
    for name in ("after", "before"):
        cursor = query.get(name)
        if not cursor:
            continue
        place = next((number for number, record in enumerate(records) if record.id == cursor), None)
        if place is None:
            raise invalid(f"Invalid '{name}': no object has the id '{cursor}'.", param=name, code="invalid_value")
        records = records[place + 1 :] if name == "after" else records[:place]
    return records
