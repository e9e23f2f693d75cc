"""What came through a simulated front door, and the page of it."""

from collections.abc import Mapping, Sequence

import msgspec

_HEAD = """\
# Front doors, measured

`make fronts` writes this page. It sends calls through a [stand-in](../guides/deploying-aws.md#try-the-limits-first) for
each front door, in real time. The stand-ins have the limits of the vendors' documentation. They are not the vendors'
software.

Heartbeats come after 15 s of silence, as by default. "Streamed" means that the answer came whole and as it was made,
"at once" that it came whole at the end. Times are those of the outcome. On a busy machine some are seconds longer than
the answer.

"""


class Passage(msgspec.Struct, frozen=True):
    """What a client saw of one call."""

    status: int
    is_complete: bool
    first_byte_seconds: float
    seconds: float

    @property
    def outcome(self) -> str:
        """The outcome in a word."""
        if self.status != 200:
            return str(self.status)
        if not self.is_complete:
            return "cut"
        return "streamed" if self.first_byte_seconds < 0.95 * self.seconds else "at once"


def page(calls: Sequence[str], passages: Mapping[str, Sequence[Passage]]) -> str:
    """Return the page; `passages` are by the front door's name, in the order of `calls`."""
    rows = [f"| front door | {' | '.join(calls)} |", "|---" * (len(calls) + 1) + "|"]
    for door, seen in passages.items():
        cells = [f"{passage.outcome}, {passage.seconds:.0f} s" for passage in seen]
        rows.append(f"| `{door}` | {' | '.join(cells)} |")
    return _HEAD + "\n".join(rows) + "\n"
