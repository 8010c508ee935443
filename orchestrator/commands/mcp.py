"""mcp: a guard between an MCP client and any MCP server, and the descriptions of tools that are accepted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

PINS = click.option(
    "--pins",
    type=click.Path(dir_okay=False, path_type=Path),
    default="mcp-pins.json",
    show_default=True,
    help="The file that keeps which descriptions of tools were accepted.",
)


class Proxy(click.Group):
    """A group that runs a server where no command of its own is named; what follows `--` never names one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["command"], args = args[at + 1 :], args[:at]
        return super().parse_args(ctx, args)


@click.group(cls=Proxy, invoke_without_command=True, subcommand_metavar="[-- COMMAND...]")
@click.option(
    "-p",
    "--policy",
    default="default",
    show_default=True,
    help="A policy file, or a shipped one's name.",
)
@click.option("--url", help="A server that is reached by streamable HTTP, in place of a COMMAND.")
@PINS
@click.option("--user", default="", help="In whose name tools are called.")
@click.option("--role", "roles", multiple=True, help="A role that the run holds; may be given several times.")
@click.option("--session", help="The session whose placeholders are restored; default: one of its own.")
@click.option("--idempotent", multiple=True, metavar="GLOB", help="Tools that the policy may retry.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Stand between an MCP client and a server: put it before the server's command in the client's settings.

    The client sees, on standard input and output, the tools that the policy's tool chain permits; what it
    calls them with and what they answer goes through that chain. A tool whose description has changed, or
    reads like instructions to the model, is refused until `wardline mcp accept`.

    \b
    Example:
      wardline mcp -p policy.yaml -- npx some-mcp-server --its-own-option
      wardline mcp -p policy.yaml --url https://tools.example.com/mcp
      wardline mcp accept
    """
    if ctx.invoked_subcommand is None:
        _serve(ctx.meta.get("command", []), **options)


@command.command()
@PINS
@click.argument("tools", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Accept all that waits.")
def accept(pins: Path, tools: Sequence[str], everything: bool) -> None:
    """Show what is refused and why, and accept the TOOLS named as they are described now.

    \b
    Example:
      wardline mcp accept
      wardline mcp accept search read_file
    """
    import json

    from orchestrator.boundaries._mcp.pins import Pins, held

    if not pins.exists():
        raise click.ClickException(f"there are no pins in {pins}; name the file with --pins")
    try:
        servers = [Pins(pins, server) for server in held(pins)]
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    waiting = [(one, name, told) for one in servers for name, told in one.waiting.items()]
    for one, name, told in waiting:
        if everything or name in tools:
            one.accept(name)
            click.echo(f"accepted {_plain(name)} of {_plain(one.server)}")
        elif not tools:
            described = json.dumps(told["tool"], indent=2)  # which escapes what could fool whoever reads it
            click.echo(f"{_plain(name)} of {_plain(one.server)}: {told['why']}\n{described}")
    if missing := set(tools).difference(name for _, name, _ in waiting):
        raise click.ClickException(f"nothing waits under the name {', '.join(map(_plain, sorted(missing)))}")


def _plain(text: str) -> str:
    return ascii(text)[1:-1]


def _serve(
    server: list[str],
    *,
    policy: str,
    url: str | None,
    pins: Path,
    idempotent: Sequence[str],
    **who: Any,
) -> None:
    from orchestrator import Orchestrator

    if bool(server) == bool(url):
        raise click.UsageError("name either a server's command after --, or its --url")
    try:
        import anyio

        from orchestrator.boundaries.mcp import Pins, Toolbox

        gate = Orchestrator.from_policy(policy)
        tools = Toolbox(gate, Pins(pins, url or " ".join(server)), idempotent)
    except ImportError:
        raise click.ClickException("this needs the package mcp; install wardline[mcp]") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    who["session"] = who["session"] or f"mcp-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        anyio.run(_between, gate, tools, server, url, who)
    except BaseExceptionGroup as broken:
        kinds = ", ".join(sorted({type(one).__name__ for one in _single(broken)}))
        raise click.ClickException(f"the connection broke: {kinds}") from None


def _single(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for one in group.exceptions:
        yield from _single(one) if isinstance(one, BaseExceptionGroup) else (one,)


async def _between(gate: Any, tools: Any, server: list[str], url: str | None, who: dict[str, Any]) -> None:
    from mcp import StdioServerParameters, stdio_client, stdio_server
    from mcp.client.streamable_http import streamable_http_client

    from orchestrator.boundaries.mcp import Relay

    if url:
        upstream: Any = streamable_http_client(url)
    else:
        parameters = StdioServerParameters(command=server[0], args=server[1:], env=dict(os.environ))
        upstream = stdio_client(parameters)
    async with upstream as up, stdio_server() as down, gate.session(**who):
        await Relay(tools, down, up[:2]).run()
