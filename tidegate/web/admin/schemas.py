"""What the schemas of all admin resources share: strict fields, limits, pages. Used by the modules of web/admin."""

import difflib
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tidegate.auth.grants import MAX_COUNT, LimitsChange
from tidegate.core.errors import InvalidParameter
from tidegate.core.money import nanos_of
from tidegate.core.tags import parse_tag
from tidegate.core.values import Limits, Priority
from tidegate.metering.reports.usage_report import usd

MAX_LISTED = 1000
"""Entries in one page."""

_Record = TypeVar("_Record")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("names must be printable text")
    return text


def _exact_usd(text: str) -> str:
    nanos_of(text)
    return text


def _tag(text: str) -> str:
    try:
        return parse_tag(text).text
    except InvalidParameter as error:
        raise ValueError(error.message) from error


Name = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
ProjectName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Usd = Annotated[str, AfterValidator(_exact_usd), Field(examples=["1.00", "0.000001"])]
TagText = Annotated[str, AfterValidator(_tag), Field(examples=["tenant=acme"])]
UnixTime = Annotated[float, Field(ge=0, le=253_402_300_799, description="Unix seconds.")]
PriorityName = Literal["high", "normal", "low"]
EndUser = Annotated[
    str, Field(min_length=1, max_length=256, description="The end user, as sent in `safety_identifier` or `user`.")
]


class UnknownField(ValueError):
    """A field that a schema does not have."""

    def __init__(self, field: str, hint: str) -> None:
        """`hint` names the most similar field, or all fields."""
        self.field = field
        self.hint = hint
        super().__init__(f"{field} is unknown, {hint}")


class Schema(BaseModel):
    """A strict schema: an unknown field is an error that names the most similar one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_fields(cls, values: Any) -> Any:
        for name in values if isinstance(values, dict) else ():
            if name not in cls.model_fields:
                close = difflib.get_close_matches(str(name), cls.model_fields, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(cls.model_fields)}"
                raise UnknownField(str(name), hint)
        return values


class LimitsSchema(Schema):
    """Limits. `null` means no limit, 0 allows nothing. Days, weeks and months are those of `budgets.time_zone`."""

    rpm: Count | None = Field(default=None, description="Requests per minute.")
    rpd: Count | None = Field(default=None, description="Requests per day.")
    tpm: Count | None = Field(default=None, description="Tokens per minute.")
    concurrency: Count | None = Field(default=None, description="Concurrent requests.")
    budget_day_usd: Usd | None = Field(default=None, description="US dollars per day.")
    budget_week_usd: Usd | None = Field(default=None, description="US dollars per week, from Monday.")
    budget_month_usd: Usd | None = Field(default=None, description="US dollars per month.")

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Return the limits with budgets in dollars."""
        return cls(
            rpm=limits.rpm,
            rpd=limits.rpd,
            tpm=limits.tpm,
            concurrency=limits.concurrency,
            budget_day_usd=optional_usd(limits.budget_day),
            budget_week_usd=optional_usd(limits.budget_week),
            budget_month_usd=optional_usd(limits.budget_month),
        )

    def to_change(self) -> LimitsChange:
        """Return a change of the limits that the request contains; the others stay as they are."""
        values = {name.removesuffix("_usd"): getattr(self, name) for name in self.model_fields_set}
        return LimitsChange(
            **{name: nanos_of(value) if isinstance(value, str) else value for name, value in values.items()}
        )


class ListQuery(Schema):
    """One page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LISTED, strict=False, description="Entries in the page.")] = 100
    after: Name | None = Field(default=None, description="The `last` of the previous page.")


class ProjectListQuery(ListQuery):
    """One page, of one project or of all."""

    project: Name | None = Field(default=None, description="Only this project.")


class ListPage(Schema):
    """One page of a list. Get the next one with `after`."""

    object: Literal["list"] = "list"
    has_more: bool
    last: str | None = Field(description="The next page's `after`; null on the last page.")


def split_page(records: list[_Record], limit: int) -> tuple[list[_Record], _Record | None]:
    """Return the page, and its last entry if more follow: `records` has one entry more than `limit` then."""
    return records[:limit], records[limit - 1] if len(records) > limit else None


def optional_usd(nanos: int | None) -> str | None:
    """Return an amount in dollars, or None."""
    return None if nanos is None else usd(nanos)


def to_priority(name: PriorityName | None) -> Priority | None:
    """Return the priority of this name, or None."""
    return None if name is None else Priority[name.upper()]


def priority_name(priority: Priority | None) -> str | None:
    """Return the name of a priority, or None."""
    return None if priority is None else priority.label
