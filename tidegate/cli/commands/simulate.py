"""`tidegate simulate`: an OpenAI on this machine that misbehaves on request."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from tidegate.simulator import Fault, Options, running

_EXAMPLE = """\
The simulator listens on {base_url}   (stop it with Ctrl-C)

  curl {base_url}/chat/completions -H 'Authorization: Bearer any' -H 'Content-Type: application/json' \\
    -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello"}}]}}'

One request at a time:  -H 'x-simulate-fault: rate_limited'   (also -latency, -ttft, -tps, -tokens)
Faults:                 {faults}
For one key only:       curl {root}/simulator/faults?key=ENDING -d '{{"rate_limited": 1}}'
Azure's dialect:        {root}/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21
What was asked of it:   curl {root}/simulator/stats   (and what each call is charged: /simulator/bill)
{key}"""


def simulate(  # noqa: PLR0913, PLR0917  # each argument is an option of the command
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 4400,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    latency: Annotated[float, typer.Option(min=0, help="Seconds before anything is answered.")] = 0.0,
    ttft: Annotated[float, typer.Option(min=0, help="Seconds to the first token.")] = 0.0,
    tps: Annotated[float, typer.Option(min=0, help="Tokens a second; 0 for no pause.")] = 0.0,
    rpm: Annotated[int, typer.Option(min=0, help="Requests a minute; 0 for no limit.")] = 0,
    tpm: Annotated[int, typer.Option(min=0, help="Tokens a minute; 0 for no limit.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[@KEY]=PROBABILITY", help="A fault, for which keys (their ending), how often."),
    ] = None,
    deployment: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MODEL", help="One of Azure's deployments; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes faults and identifiers repeat.")] = None,
    api_key: Annotated[str | None, typer.Option(help="The only key to let in.")] = None,
    prices: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="USD per million tokens, by model: a JSON file.")
    ] = None,
    remember: Annotated[int, typer.Option(min=0, help="Requests that the bill shows one by one.")] = 100,
) -> None:
    """Run a simulated OpenAI: the same routes, deterministic answers, and faults by name."""
    everybody, by_key = parse_faults(fault or [])
    options = Options(
        latency=latency, ttft=ttft, tps=tps, rpm=rpm, tpm=tpm, faults=everybody, faults_by_key=by_key,
        deployments=parse_deployments(deployment or []), seed=seed, api_key=api_key,
        prices=prices, remember=remember,
    )  # fmt: skip
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options, host, port))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prices") from error
    except OSError as error:
        typer.echo(f"The simulator cannot listen on {host}:{port}: {error.strerror}. Choose another --port.", err=True)
        raise typer.Exit(1) from error


def parse_faults(given: list[str]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """`NAME=PROBABILITY` for each, a name alone for always; and those of single keys, `NAME@ENDING`, by the ending.

    Raises BadParameter.
    """
    faults: dict[str, float] = {}
    by_key: dict[str, dict[str, float]] = {}
    for one in given:
        name, _, stated = one.partition("=")
        name, _, ending = name.partition("@")
        try:
            fault, probability = Fault(name).value, float(stated or 1)
        except ValueError as error:
            known = ", ".join(Fault)
            raise typer.BadParameter(f"{one!r} is not NAME=PROBABILITY. Names: {known}.") from error
        if not 0 <= probability <= 1:
            raise typer.BadParameter(f"The probability in {one!r} is not between 0 and 1.")
        (by_key.setdefault(ending, {}) if ending else faults)[fault] = probability
    return faults, by_key


def parse_deployments(given: list[str]) -> dict[str, str]:
    """`NAME=MODEL` for each, a name alone where both are the same. Raises BadParameter."""
    deployments = {}
    for one in given:
        name, _, model = one.partition("=")
        if not name:
            raise typer.BadParameter(f"{one!r} is not NAME=MODEL.")
        deployments[name] = model or name
    return deployments


async def _serve(options: Options, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options, host=host, port=port) as base_url:
        key = "\nOnly the key given as --api-key is let in." if options.api_key else ""
        root = base_url.removesuffix("/v1")
        typer.echo(_EXAMPLE.format(base_url=base_url, root=root, faults=", ".join(Fault), key=key))
        await stop.wait()
