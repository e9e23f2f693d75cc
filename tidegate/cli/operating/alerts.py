"""`tidegate alerts`: show, test and mute the three alerts. The same over HTTP: web/admin/alerts.py."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import typer

from tidegate.alerts.outbox import Delivery
from tidegate.alerts.report import MAX_MUTE_SECONDS, AlertListing
from tidegate.cli.commands.keys import parse_overlap
from tidegate.cli.context import CommandContext, command_error, print_json, print_table, run_with_context
from tidegate.cli.stores import Needs
from tidegate.web.admin.alerts import AlertsView

alerts_app = typer.Typer(no_args_is_help=True, help="Show, test and mute the three alerts: slow, errors and cost.")

_TEST_SECONDS, _LOOK_EVERY_SECONDS = 20.0, 0.5
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@alerts_app.command()
def show(as_json: _Json = False) -> None:
    """Show which alerts fire, since when and why, and whether their messages were delivered."""

    async def act(context: CommandContext) -> AlertListing:
        return await context.alerts.read()

    view = AlertsView.of(run_with_context(Needs.POSTGRES, act))
    if as_json:
        print_json(view)
        return
    print_table({"alert": False, "state": False, "since (UTC)": False, "figures": True, "causes": True}, _rows(view))
    if view.muted_until is not None:
        typer.echo(f"Muted until {_time(view.muted_until)} UTC.")
    typer.echo(f"Channels: {', '.join(view.channels) or 'none; alerts are log lines only'}.")
    if view.deliveries:
        columns = {"message": True, "channel": False, "made (UTC)": False, "delivered (UTC)": False, "attempts": False}
        print_table(columns | {"last error": True}, _deliveries(view))


@alerts_app.command()
def test() -> None:
    """Send a test message to each channel by a running gateway, and say whether each accepted it."""

    async def act(context: CommandContext) -> Sequence[Delivery]:
        message_id = await context.alerts.send_test()
        deliveries: Sequence[Delivery] = ()
        for _ in range(round(_TEST_SECONDS / _LOOK_EVERY_SECONDS)):
            deliveries = await context.alerts.deliveries_of(message_id)
            if all(each.delivered_at or each.last_error for each in deliveries):
                break
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return deliveries

    deliveries = run_with_context(Needs.POSTGRES, act)
    if not deliveries:
        raise command_error("Nothing was sent: no channel is configured. Set alerts.webhook_url or alerts.slack_url.")
    for each in deliveries:
        typer.echo(f"{each.channel}: {_outcome(each)}")
    if not all(each.delivered_at for each in deliveries):
        raise typer.Exit(1)


@alerts_app.command()
def mute(duration: Annotated[str, typer.Argument(metavar="DURATION", help="Such as 30m, 1h or 2d.")]) -> None:
    """Send no message for some time. What still fires afterwards is sent then."""
    seconds = parse_overlap(duration)
    if seconds > MAX_MUTE_SECONDS:
        raise typer.BadParameter("alerts can be muted for 7d at most; to turn one off, leave it out of alerts.enabled")

    async def act(context: CommandContext) -> float:
        return await context.alerts.mute(seconds)

    run_with_context(Needs.POSTGRES, act)
    typer.echo(f"No alert is sent for {duration}. `tidegate alerts unmute` ends that.")


@alerts_app.command()
def unmute() -> None:
    """Send messages again."""

    async def act(context: CommandContext) -> None:
        await context.alerts.unmute()

    run_with_context(Needs.POSTGRES, act)
    typer.echo("Alerts are sent again.")


def _rows(view: AlertsView) -> Iterator[tuple[str, ...]]:
    for alert in view.alerts:
        state = "firing" if alert.is_firing else "well" if alert.is_enabled else "off"
        since = _time(alert.since) if alert.since else "-"
        yield alert.alert, state, since, alert.what or "-", "; ".join(alert.causes) or "-"


def _deliveries(view: AlertsView) -> Iterator[tuple[str, ...]]:
    for each in view.deliveries:
        delivered = _time(each.delivered_at) if each.delivered_at else "-"
        made = _time(each.made_at) if each.made_at else "-"
        yield each.title, each.channel, made, delivered, str(each.attempts), each.last_error or "-"


def _outcome(delivery: Delivery) -> str:
    if delivery.delivered_at:
        return "accepted"
    if delivery.last_error:
        return f"not accepted: {delivery.last_error}. The gateway tries again."
    return f"not sent within {_TEST_SECONDS:g} s: no gateway that has this channel runs on this database"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
