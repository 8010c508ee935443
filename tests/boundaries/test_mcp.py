"""MCP: what is not permitted is neither listed nor called, what changes must be accepted, all else passes."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import SessionMessage
from mcp.types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from guards import Run
from guards.arguments import Arguments
from guards.injection import Injection
from guards.mask import Mask
from guards.permit import Permit, PermitRule
from guards.retry import Retry
from guards.timeout import Timeout
from orchestrator import Orchestrator
from orchestrator.boundaries._mcp.tools import Toolbox, known, said
from orchestrator.boundaries.mcp import Middleware, Pins, Relay, Session
from orchestrator.cli import cli
from policies import Policy
from tests.boundaries.mcp_server import ATTACK, made

GUARDS = (
    Permit(deny=("secret*",), rules=(PermitRule(tools=("add",), when="b <= 500"),)),
    Arguments(),
    Permit(rules=(PermitRule(tools=("add",), when="b <= 500"),)),
    Injection(at=("reply",)),
)
POLICY = """
wardline: 1
tool:
  - {use: permit, deny: ["secret*"]}
  - {use: arguments}
  - {use: permit, rules: [{tools: [add], when: b <= 500}]}
  - {use: injection, at: [reply]}
"""
HERE = Path(__file__).parent / "mcp_server.py"


def gate(*guards: Any) -> Orchestrator:
    return Orchestrator(Policy.of(tool=guards))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.boundaries.mcp_server", "http"], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/mcp"
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def through(tmp_path: Path, *server: str, **env: str) -> Any:
    """The transport to a proxy before a server."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    pins = ["--pins", str(tmp_path / "pins.json")]
    args = ["-m", "orchestrator.cli", "mcp", "-p", str(tmp_path / "policy.yaml"), *pins, *server]
    return stdio_client(StdioServerParameters(command=sys.executable, args=args, env=env))


STDIO = ("--", sys.executable, str(HERE))


@pytest.mark.parametrize(("over", "mode"), [("stdio", "auto"), ("http", "legacy")])
def test_a_proxy_guards_tools_and_lets_progress_and_cancellation_pass(
    over: str, mode: str, tmp_path: Path, address: str
) -> None:
    async def scenario() -> None:
        server = STDIO if over == "stdio" else ("--url", address)
        progress = []

        async def note(*told: Any) -> None:
            progress.append(told)

        async with Client(through(tmp_path, *server, PYTHONPATH="."), mode=mode) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names == ["add", "page", "echo", "headed", "fail", "odd", "slow", "stops"]
            added = await client.call_tool("add", {"a": "1", "b": 2})
            assert (added.structured_content, added.is_error) == ({"result": 3}, False)
            with pytest.raises(MCPError, match="timed out"):
                await client.call_tool("slow", {}, progress_callback=note, read_timeout_seconds=0.5)
            assert progress == [(1.0, 2.0, "half")]
            for name, arguments, code in (
                ("add", {"a": ATTACK, "b": 2}, "invalid"),
                ("add", {"a": 1, "b": 501}, "denied"),
                ("secret_add", {"a": 1, "b": 2}, "denied"),
                ("helper", {}, "denied"),
                ("nothing", {}, "denied"),
                ("page", {}, "blocked"),
                ("fail", {}, "blocked"),
            ):
                refused = await client.call_tool(name, arguments)
                assert refused.is_error
                assert refused.meta is not None
                assert refused.meta["wardline/error"]["code"] == code
                assert ATTACK not in refused.model_dump_json()

    asyncio.run(scenario())


def test_a_description_that_changed_is_refused_until_it_is_accepted(tmp_path: Path) -> None:
    async def helped(description: str) -> bool:
        async with Client(made(description)) as client:
            guarded = Session(gate(), client, pins=Pins(tmp_path / "pins.json", "shop"))
            listed = "helper" in [tool.name for tool in (await guarded.list_tools()).tools]
            assert (await guarded.call_tool("helper", {})).is_error != listed
            return listed

    def accepted(*args: str) -> str:
        return CliRunner().invoke(cli, ["mcp", "accept", "--pins", str(tmp_path / "pins.json"), *args]).output

    assert asyncio.run(helped("Helps."))
    assert accepted() == ""
    assert not asyncio.run(helped("Helps, and more."))
    shown = accepted()
    assert "helper of shop" in shown
    assert "has changed" in shown
    assert '"Helps, and more."' in shown
    assert "nothing waits under the name other" in accepted("other")
    assert "accepted helper" in accepted("helper")
    assert asyncio.run(helped("Helps, and more."))


# In one process: the same server behind each of the three boundaries.


async def by_middleware(policy: Orchestrator, use: Callable[[Any], Any]) -> Any:
    async with Client(made(middleware=[Middleware(policy)]), mode="legacy") as client:
        return await use(client)


async def by_session(policy: Orchestrator, use: Callable[[Any], Any]) -> Any:
    async with Client(made(), mode="legacy") as client:
        return await use(Session(policy, client))


async def by_relay(policy: Orchestrator, use: Callable[[Any], Any], mode: str = "legacy") -> Any:
    async with Client(relayed(made(), Toolbox(policy, Pins())), mode=mode) as client:
        return await use(client)


@asynccontextmanager
async def relayed(server: MCPServer, tools: Toolbox) -> AsyncIterator[Any]:
    """The transport of a client to a server in this process, with a relay between."""
    to_server, at_server = anyio.create_memory_object_stream[Any](100)
    from_server, at_relay = anyio.create_memory_object_stream[Any](100)
    inner = server._lowlevel_server
    serving = asyncio.create_task(inner.run(at_server, from_server, inner.create_initialization_options()))
    try:
        async with between(tools, (at_relay, to_server)) as streams:
            yield streams
    finally:
        to_server.close()
        await serving
        for stream in (at_server, from_server, at_relay):
            stream.close()


@asynccontextmanager
async def between(tools: Toolbox, server: tuple[Any, Any]) -> AsyncIterator[Any]:
    """A client's end of a relay to a server."""
    to_relay, of_client = anyio.create_memory_object_stream[Any](100)
    to_client, at_client = anyio.create_memory_object_stream[Any](100)
    relaying = asyncio.create_task(Relay(tools, (of_client, to_client), server).run())
    try:
        yield at_client, to_relay
    finally:
        to_relay.close()
        await relaying
        for stream in (of_client, to_client, at_client):
            stream.close()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_relay_tells_a_server_over_http_what_its_transport_repeats(mode: str, address: str) -> None:
    async def scenario() -> None:
        tools = Toolbox(gate(*GUARDS), Pins())
        async with streamable_http_client(address) as (read, write), between(tools, (read, write)) as streams:

            @asynccontextmanager
            async def transport() -> AsyncIterator[Any]:
                yield streams

            async with Client(transport(), mode=mode) as client:
                assert (await client.call_tool("add", {"a": "1", "b": 2})).structured_content == {"result": 3}
                assert (await client.call_tool("headed", {"place": "here"})).structured_content == {
                    "result": "here"
                }
                with pytest.raises(MCPError):
                    await client.read_resource("file:///nothing")

    asyncio.run(scenario())


WAYS = (by_middleware, by_session, by_relay)
NUMBERS = st.fixed_dictionaries({"a": st.sampled_from([1, "1", "x"]), "b": st.integers(499, 502)})
SAYINGS = st.fixed_dictionaries({"text": st.sampled_from(["hi", ATTACK, "ann@example.com", "\0"])})
CALLS = st.one_of(
    st.tuples(st.sampled_from(["add", "secret_add"]), NUMBERS),
    st.tuples(st.sampled_from(["echo", "odd"]), SAYINGS),
    st.tuples(st.sampled_from(["page", "fail", "helper", "none"]), st.just({})),
)  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(CALLS)
@example(("echo", {}))
@example(("odd", {"text": ATTACK}))
@example(("odd", {"text": "hi"}))
@example(("fail", {}))
def test_middleware_session_and_relay_agree(call: tuple[str, dict[str, Any]]) -> None:
    async def use(client: Any) -> Any:
        names = [tool.name for tool in (await client.list_tools()).tools]
        try:
            result = await client.call_tool(*call)
        except MCPError as error:
            return names, error.code, error.message
        said = (result.meta or {}).get("wardline/error", {}).get("code")
        return names, result.is_error, said, [block.text for block in result.content]

    first, *others = [asyncio.run(way(gate(*GUARDS), use)) for way in WAYS]
    trusted = call[0] == "helper"  # one's own server's descriptions are trusted
    for names, *rest in others:
        assert names == [name for name in first[0] if name != "helper"]
        assert trusted or tuple(rest) == first[1:]
        assert not trusted or rest[1] == "denied"


NAMES = st.sampled_from(["pay", "pay.all", "see", "*", "p?y"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(NAMES, max_size=4, unique=True),
    st.lists(NAMES, max_size=2),
    st.lists(NAMES, max_size=2),
    st.sampled_from(["agent", "viewer"]),
)
def test_for_any_tools_and_policy_nothing_that_is_not_permitted_is_listed_or_called(
    names: list[str], tools: list[str], deny: list[str], role: str
) -> None:
    rule = PermitRule(tools=("see",), roles=frozenset({"agent"}), when="1 == 2")
    policy = gate(Permit(tools=tuple(tools), deny=tuple(deny), rules=(rule,)))
    box, ran = Toolbox(policy, Pins()), []

    async def perform(arguments: Any) -> Any:
        ran.append(arguments)
        return {"content": []}

    with policy.session(roles=[role]):
        listed = [tool["name"] for tool in box.listed({"name": name} for name in names)]
        for name in [*NAMES_ALL, 5, None]:
            asyncio.run(box.called(name, {}, perform))
    may = [
        name
        for name in names
        if any(fnmatchcase(name, glob) for glob in tools)
        and not any(fnmatchcase(name, glob) for glob in deny)
        and (name != "see" or role == "agent")
    ]
    assert listed == may
    assert len(ran) == len([name for name in may if name != "see"])


NAMES_ALL = ("pay", "pay.all", "see", "*", "p?y", "never listed")
TOOLS = st.builds(
    lambda name, said, schema: {"name": name, "description": said, "inputSchema": schema},
    st.sampled_from(["a", "b"]),
    st.sampled_from(["Helps.", "Helps more.", ATTACK]),
    st.sampled_from([{}, {"type": "object"}, {"properties": {"x": {"description": ATTACK}}}]),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(TOOLS, max_size=3) | st.sampled_from(["a", "b"]), max_size=6))
def test_any_changed_or_suspect_description_is_refused_until_accepted(
    tmp_path_factory: Any, steps: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("pins") / "pins.json"
    pinned: dict[str, str | None] = {}
    waits: dict[str, str] = {}
    for step in steps:
        if isinstance(step, str):
            if step in waits:
                Pins(path, "s").accept(step)
                pinned[step] = waits.pop(step)
            continue
        refused = set()
        for tool in step:
            name, said = tool["name"], json.dumps(tool)
            pinned.setdefault(name, None if ATTACK in said else said)
            if pinned[name] == said:
                waits.pop(name, None)
            else:
                waits[name] = said
                refused.add(name)
        box = Toolbox(gate(), Pins(path, "s"))
        assert box.listed(step) == [tool for tool in step if tool["name"] not in refused]
        for name in {tool["name"] for tool in step}:
            result = asyncio.run(box.called(name, {}, done))
            assert bool(result.get("isError")) == (name in refused)
    assert Pins(path, "s").waiting.keys() == waits.keys()
    assert not Pins(path, "other").waiting


async def done(arguments: Any) -> Any:
    return {"content": []}


def test_a_file_that_holds_no_pins_is_refused(tmp_path: Path) -> None:
    for text in (
        "",
        "[]",
        '{"pins": 2, "servers": {}}',
        '{"pins": 1, "servers": {"": {}}}',
        '{"pins": 1, "servers": 3}',
    ):
        (tmp_path / "pins.json").write_text(text)
        with pytest.raises(ValueError, match="not a file of pins"):
            Pins(tmp_path / "pins.json")
        shown = CliRunner().invoke(cli, ["mcp", "accept", "--pins", str(tmp_path / "pins.json")])
        assert "not a file of pins" in shown.output
        told = CliRunner().invoke(cli, ["mcp", "--pins", str(tmp_path / "pins.json"), "--", "server"])
        assert "not a file of pins" in told.output
    assert (
        "there are no pins"
        in CliRunner().invoke(cli, ["mcp", "accept", "--pins", str(tmp_path / "no")]).output
    )
    assert "name either" in CliRunner().invoke(cli, ["mcp"]).output


RESULT = {
    "content": [
        {"type": "text", "text": "ann@example.com"},
        {"type": "image", "data": "YW5u", "mimeType": "image/png"},
        {
            "type": "resource",
            "resource": {"uri": "file:///a", "text": "ann@example.com", "mimeType": "text/plain"},
        },
    ],
    "structuredContent": {"who": ["ann@example.com", 5]},
    "_meta": {"ann@example.com": "ann@example.com"},
    "resultType": "complete",
}


def test_every_text_of_a_result_is_guarded_and_its_structure_is_left() -> None:
    texts = said(RESULT)
    assert list(texts) == ["ann@example.com", "file:///a", "ann@example.com", "ann@example.com"]
    assert texts.result() == RESULT
    texts[:] = "1234"
    changed = texts.result()
    assert changed["structuredContent"] == {"who": ["4", 5]}
    assert changed["content"][1:] == [
        RESULT["content"][1],
        {"type": "resource", "resource": {"uri": "2", "text": "3", "mimeType": "text/plain"}},
    ]  # type: ignore[index]


def test_personal_data_is_masked_on_the_way_to_a_tool_and_put_back_in_what_it_answers() -> None:
    sent: list[Any] = []

    async def use() -> Any:
        async def perform(arguments: Any) -> Any:
            sent.append(arguments)
            return {"content": [{"type": "text", "text": f"to {arguments['text']}"}]}

        box = Toolbox(gate(Mask(entities=(), deny=("ann@example.com",), nlp="none")))
        box.listed([{"name": "echo"}])
        return await box.called("echo", {"text": "ann@example.com"}, perform)

    assert asyncio.run(use())["content"][0]["text"] == "to ann@example.com"
    assert "ann" not in json.dumps(sent)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("who", ["policy", "client"])
def test_a_tool_that_hangs_ends_in_time_and_the_server_is_told(who: str, mode: str) -> None:
    async def use(client: Any) -> Any:
        if who == "policy":
            assert (await client.call_tool("slow", {})).is_error
        else:
            with pytest.raises(MCPError, match="timed out"):
                await client.call_tool("slow", {}, read_timeout_seconds=0.2)
        for _ in range(100):
            if (await client.call_tool("stops", {})).structured_content == {"result": 1}:
                return True
        return False

    guards = [Timeout(seconds=0.2)] if who == "policy" else []
    assert asyncio.run(by_relay(gate(*guards), use, mode))


def test_all_pages_are_listed_before_a_tool_that_nobody_has_listed_is_called() -> None:
    pages = {None: {"tools": [{"name": "a"}], "nextCursor": "2"}, "2": {"tools": [{"name": "b"}]}}
    asked = []

    async def lists(cursor: Any) -> Any:
        asked.append(cursor.get("cursor"))
        return pages[cursor.get("cursor")]

    async def use() -> None:
        box = Toolbox(gate(), Pins())
        for name, times in (("b", 2), ("a", 2), ("c", 4)):
            await known(box, name, lists)
            assert len(asked) == times
            assert ("isError" in await box.called(name, {}, done)) == (name == "c")
        box.stale = True
        await known(box, "a", lists)
        assert asked == [None, "2"] * 3

    asyncio.run(use())


def test_only_tools_that_are_named_idempotent_are_retried() -> None:
    async def use(name: str) -> tuple[int, Any]:
        times = 0

        async def perform(arguments: Any) -> Any:
            nonlocal times
            times += 1
            raise ConnectionError

        box = Toolbox(gate(Retry(attempts=3, base=0.001)), idempotent=("see*",))
        box.listed([{"name": "see.one"}, {"name": "pay"}])
        with pytest.raises(ConnectionError):
            await box.called(name, {}, perform)
        return times, None

    assert asyncio.run(use("see.one"))[0] == 3
    assert asyncio.run(use("pay"))[0] == 1


def test_in_whose_name_a_request_is_made_is_for_the_server_to_say() -> None:
    permit = Permit(roles=frozenset({"agent"}))

    async def names(role: str) -> int:
        middleware = Middleware(gate(permit), who=lambda context: {"roles": [role]})
        async with Client(made(middleware=[middleware])) as client:
            result = await client.call_tool("add", {"a": 1, "b": 2})
            listed = (await client.list_tools()).tools
            assert bool(listed) != result.is_error
            return len(listed)

    assert asyncio.run(names("agent")) == 10
    assert asyncio.run(names("viewer")) == 0
    assert Run().roles == frozenset()


def test_a_server_of_our_own_runs_no_tool_as_a_task() -> None:
    @dataclass(frozen=True)
    class Context:
        method: str
        params: Any
        request_id: int = 1

    reached: list[Any] = []

    async def next_one(context: Context) -> Any:
        reached.append(context)
        if context.method == "tools/list":
            return {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}
        return {"content": [{"type": "text", "text": "3"}]}

    asked = Context("tools/call", {"name": "add", "arguments": {}, "task": {"ttl": 60}})
    asyncio.run(Middleware(gate())(asked, next_one))
    assert [sorted(one.params) for one in reached if one.method == "tools/call"] == [["arguments", "name"]]


def request(method: str, id: Any = 1, **params: Any) -> SessionMessage:
    return SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=id, method=method, params=params))


def test_no_result_of_a_tool_comes_past_the_guards_as_that_of_a_task() -> None:
    async def scenario() -> Any:
        to_relay, of_server = anyio.create_memory_object_stream[Any](100)
        to_server, at_server = anyio.create_memory_object_stream[Any](100)
        tools = Toolbox(gate())
        tools.listed([{"name": "x"}])
        tools.stale = False
        async with between(tools, (of_server, to_server)) as (at_client, from_client):
            await from_client.send(request("tasks/result", taskId="t"))
            refused = (await at_client.receive()).message
            await from_client.send(request("tools/call", name="x", task={"ttl": 1}))
            asked = (await at_server.receive()).message
        for stream in (to_relay, of_server, to_server, at_server):
            stream.close()
        return refused, asked

    refused, asked = asyncio.run(scenario())
    assert refused.error.code == -32601
    assert asked.method == "tools/call"
    assert "task" not in asked.params


def test_what_is_no_message_is_left_out_and_a_guard_that_crashes_lets_nothing_through() -> None:
    class Crashing(Toolbox):
        def listed(self, tools: Any) -> Any:
            raise RuntimeError(ATTACK)

    async def scenario() -> Any:
        to_relay, of_server = anyio.create_memory_object_stream[Any](100)
        to_server, at_server = anyio.create_memory_object_stream[Any](100)
        tools = Crashing(gate(), Pins())
        tools.stale = False
        async with between(tools, (of_server, to_server)) as (at_client, from_client):
            await from_client.send(ValueError("no JSON"))
            await to_relay.send(ValueError("no JSON"))
            changed = JSONRPCNotification(jsonrpc="2.0", method="notifications/tools/list_changed")
            await to_relay.send(SessionMessage(changed))
            assert (await at_client.receive()).message == changed
            await from_client.send(request("tools/list"))
            asked = (await at_server.receive()).message
            await to_relay.send(
                SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=asked.id, result={"tools": []}))
            )
            refused = (await at_client.receive()).message
            await from_client.send(request("tools/call", name="x"))
            asked = (await at_server.receive()).message
            failed = JSONRPCError(jsonrpc="2.0", id=asked.id, error=ErrorData(code=1, message="no"))
            await to_relay.send(SessionMessage(failed))
            again = (await at_client.receive()).message
        for stream in (to_relay, of_server, to_server, at_server):
            stream.close()
        return tools.stale, refused, again

    stale, refused, again = asyncio.run(scenario())
    assert stale
    assert "could not be guarded" in refused.error.message
    assert ATTACK not in str(refused)
    assert again.result["isError"] if isinstance(again, JSONRPCResponse) else "guarded" in again.error.message


def test_a_proxy_ends_by_itself_when_its_client_has_left_and_says_what_is_wrong_with_its_server(
    tmp_path: Path,
) -> None:
    def ended(*server: str) -> Any:
        return CliRunner().invoke(cli, ["mcp", "--pins", str(tmp_path / "pins.json"), *server])

    gone = ended(*STDIO)
    assert (gone.exit_code, gone.output) == (0, "")
    assert isinstance(ended("--", "nothing-there").exception, FileNotFoundError)
    asked = request("tools/list").message.model_dump_json() + "\n"
    command = [sys.executable, "-m", "orchestrator.cli", "mcp", "--url", "http://127.0.0.1:1/mcp"]
    command += ["--pins", str(tmp_path / "pins.json")]
    broken = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert broken.stderr == "Error: the connection broke: ConnectError\n"


def test_a_server_that_goes_away_ends_the_relay_and_what_waited_for_it() -> None:
    async def scenario() -> None:
        to_relay, of_server = anyio.create_memory_object_stream[Any](100)
        to_server, at_server = anyio.create_memory_object_stream[Any](100)
        client_end, of_client = anyio.create_memory_object_stream[Any](100)
        to_client, at_client = anyio.create_memory_object_stream[Any](100)
        relay = Relay(Toolbox(gate(), Pins()), (of_client, to_client), (of_server, to_server))
        running = asyncio.create_task(relay.run())
        await client_end.send(request("tools/list"))
        await at_server.receive()
        to_relay.close()
        await asyncio.wait_for(running, 5)
        assert not relay._asked
        for stream in (of_server, to_server, at_server, client_end, of_client, to_client, at_client):
            stream.close()

    asyncio.run(scenario())
