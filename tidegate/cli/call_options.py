"""The options by which commands select calls of the ledger, and how a time is written."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated

import typer

from tidegate.core.tags import parse_tag
from tidegate.metering.reports.call_filter import CallFilter

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAYS = {"today": 0, "yesterday": 1}

ProjectOption = Annotated[str | None, typer.Option(help="Only this project.")]
KeyOption = Annotated[str | None, typer.Option(metavar="KEY_ID", help="Only the key with this id.")]
UserOption = Annotated[str | None, typer.Option(help="Only this end user.")]
ModelOption = Annotated[str | None, typer.Option(help="Only this model, as callers name it.")]

TagOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only requests with this tag; may be repeated.")
]
UntilOption = Annotated[
    str | None, typer.Option(help="End of the period (exclusive), same format as `--since`. Default: now.")
]


def call_filter(
    *, project: str | None, key: str | None, user: str | None, model: str | None, tag: Sequence[str] | None = None
) -> CallFilter:
    """Return which calls the options select. Raises InvalidParameter for a tag that is none."""
    tags = tuple(parse_tag(text) for text in tag or ())
    return CallFilter(project=project, key_id=key, end_user=user, model=model, tags=tags)


def parse_time(text: str, now: float, zone: tzinfo = UTC) -> float:
    """Parse a time before `now` (`7d`), `today`, `yesterday` or an ISO date into Unix seconds. Raises BadParameter.

    A date that names no zone is one of `zone`.
    """
    if text.strip() in _DAYS:
        day = datetime.fromtimestamp(now, zone).date() - timedelta(days=_DAYS[text.strip()])
        return datetime.combine(day, time.min, zone).timestamp()
    span = re.fullmatch(r"(\d{1,6})([mhdw])(?: ago)?", text.strip())
    if span:
        return now - int(span[1]) * _UNITS[span[2]]
    try:
        when = datetime.fromisoformat(text.strip())
        return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is neither a time span like 45m, 12h, 7d or 2w, nor today or yesterday, nor an ISO date"
        ) from error
