"""`tidegate simulate`: a simulated OpenAI API with fault injection."""

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

A fault in one request: -H 'x-simulate-fault: rate_limited'   (also -latency, -ttft, -tps, -tokens, -stop-seconds,
                        -job-seconds)
Faults:                 {faults}
Faults for one key:     curl {root}/simulator/faults?key=ENDING -d '{{"rate_limited": 1}}'
Azure OpenAI API:       {root}/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21
Requests received:      curl {root}/simulator/stats   (what each would cost: /simulator/bill)
{key}"""

_AdminKey = Annotated[
    str | None, typer.Option(help="Serve the API of service accounts to this key; accept only the keys it made.")
]
_Prices = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="JSON file with prices in USD per million tokens, by model."),
]


def simulate(  # noqa: PLR0913, PLR0917  # each argument is an option of the command
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free port.")] = 4400,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    latency: Annotated[float, typer.Option(min=0, help="Seconds until the response starts.")] = 0.0,
    ttft: Annotated[float, typer.Option(min=0, help="Seconds until the first token.")] = 0.0,
    tps: Annotated[float, typer.Option(min=0, help="Tokens per second; 0: no pause between tokens.")] = 0.0,
    stop_seconds: Annotated[float, typer.Option(min=0, help="Seconds that it writes on after a client left.")] = 0.0,
    job_seconds: Annotated[float, typer.Option(min=0, help="Seconds that a batch or another job takes.")] = 0.0,
    rpm: Annotated[int, typer.Option(min=0, help="Requests per minute; 0: no limit.")] = 0,
    tpm: Annotated[int, typer.Option(min=0, help="Tokens per minute; 0: no limit.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[@KEY]=PROBABILITY",
            help="Inject a fault with this probability, for all keys or those ending in KEY. Repeatable.",
        ),
    ] = None,
    deployment: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MODEL", help="An Azure deployment. Repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed for reproducible faults and identifiers.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Accept only this API key.")] = None,
    admin_key: _AdminKey = None,
    prices: _Prices = None,
    strict: Annotated[
        bool, typer.Option("--strict/--lenient", help="Refuse what OpenAI refuses, or answer it if possible.")
    ] = True,
    remember: Annotated[
        int, typer.Option(min=0, help="Number of latest requests that the bill lists one by one.")
    ] = 100,
) -> None:
    """Run a simulated OpenAI API with deterministic answers and fault injection."""
    for_all_keys, by_key = parse_faults(fault or [])
    options = Options(
        latency=latency, ttft=ttft, tps=tps, stop_seconds=stop_seconds, job_seconds=job_seconds, rpm=rpm, tpm=tpm,
        faults=for_all_keys, faults_by_key=by_key, deployments=parse_deployments(deployment or []),
        seed=seed, api_key=api_key, admin_key=admin_key, prices=prices, strict=strict, remember=remember,
    )  # fmt: skip
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options, host, port))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prices") from error
    except OSError as error:
        typer.echo(
            f"The simulator did not start: it cannot listen on {host}:{port} ({error.strerror}). Pass another --port.",
            err=True,
        )
        raise typer.Exit(1) from error


def parse_faults(options_text: list[str]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Parse `NAME[@ENDING][=PROBABILITY]` into faults for all keys, and faults by key ending.

    The default probability is 1. Raises BadParameter.
    """
    faults: dict[str, float] = {}
    by_key: dict[str, dict[str, float]] = {}
    for text in options_text:
        name, _, probability_text = text.partition("=")
        name, _, ending = name.partition("@")
        try:
            fault, probability = Fault(name).value, float(probability_text or 1)
        except ValueError as error:
            names = ", ".join(Fault)
            raise typer.BadParameter(f"{text!r} is not NAME=PROBABILITY. Fault names: {names}.") from error
        if not 0 <= probability <= 1:
            raise typer.BadParameter(f"The probability in {text!r} is not between 0 and 1.")
        (by_key.setdefault(ending, {}) if ending else faults)[fault] = probability
    return faults, by_key


def parse_deployments(options_text: list[str]) -> dict[str, str]:
    """Parse `NAME=MODEL`, or a name alone if both are equal. Raises BadParameter."""
    deployments = {}
    for text in options_text:
        name, _, model = text.partition("=")
        if not name:
            raise typer.BadParameter(f"{text!r} is not NAME=MODEL.")
        deployments[name] = model or name
    return deployments


async def _serve(options: Options, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options, host=host, port=port) as base_url:
        key = "\nOnly the API key set by --api-key is accepted." if options.api_key else ""
        root = base_url.removesuffix("/v1")
        typer.echo(_EXAMPLE.format(base_url=base_url, root=root, faults=", ".join(Fault), key=key))
        await stop.wait()
