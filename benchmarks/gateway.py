"""The gateway under load, beside peers that are installed: `python -m benchmarks.gateway [--requests N]`.

All stand before the same upstream, a server that answers at once, and are asked by the same clients, each a
connection that is kept; each is one process.  CPU time a request is that of the server's process alone, read
from the system, so that what else runs on the machine matters little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CONCURRENCY = 50
ASKED = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "Summarise this paragraph, please. " * 50}]}
).encode()
SAID = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "It is a paragraph. " * 80},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 400, "completion_tokens": 320, "total_tokens": 720},
    }
).encode()
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(SAID) + SAID
NAIVE = """
import sys

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

KIND = {"content-type": "application/json"}
client = httpx.AsyncClient(limits=httpx.Limits(max_connections=200))


async def pass_on(request):
    said = await client.post(sys.argv[2], content=await request.body(), headers=KIND)
    return Response(said.content, said.status_code, media_type="application/json")


app = Starlette(routes=[Route("/v1/chat/completions", pass_on, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


class Upstream(asyncio.Protocol):
    """Answers whatever has come whole, at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.came = transport, b""

    def data_received(self, data: bytes) -> None:
        self.came += data
        head, whole, body = self.came.partition(b"\r\n\r\n")
        if whole and len(body) >= _length(head):
            self.came = b""
            self.transport.write(REPLY)  # type: ignore[attr-defined]


def _length(head: bytes) -> int:
    told = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(told[0].split(b":")[1]) if told else 0


@dataclass(frozen=True, slots=True)
class Load:
    """What one server did: requests a second, CPU microseconds a request, megabytes after."""

    name: str
    rate: float
    cpu: float
    memory: float


async def _client(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer none\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ASKED)
    ) + ASKED
    for _ in range(count):
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.split(b"\r\n")[0].decode())
        await reader.readexactly(_length(head))
    writer.close()


def _spent(process: int) -> float:
    """The CPU seconds of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measured(name: str, port: int, process: int, requests: int) -> Load:
    each = max(1, requests // CONCURRENCY)
    await asyncio.gather(*(_client(port, 4) for _ in range(CONCURRENCY)))
    before, began = _spent(process), time.perf_counter()
    await asyncio.gather(*(_client(port, each) for _ in range(CONCURRENCY)))
    seconds, count = time.perf_counter() - began, each * CONCURRENCY
    return Load(name, count / seconds, (_spent(process) - before) / count * 1e6, _memory(process))


@contextmanager
def running(port: int, *command: str) -> Iterator[int]:
    """A server in its own process, once it takes connections."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def servers(upstream: str, port: int, folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is measured: its name, and the command that starts it."""
    empty = folder / "empty.yaml"
    empty.write_text("wardline: 1\nname: empty\n")
    served = ("-m", "orchestrator.cli", "serve", "--port", str(port), "--upstream", f"up={upstream}/v1")
    yield "wardline, empty policy", (*served, "-p", str(empty), "--no-metrics")
    yield "wardline, empty policy, metrics", (*served, "-p", str(empty))
    yield "wardline, default policy", (*served, "-p", "default")
    naive = folder / "naive.py"
    naive.write_text(NAIVE)
    yield "starlette and httpx, unguarded", (str(naive), str(port), f"{upstream}/v1/chat/completions")
    if find_spec("litellm") is not None:
        config = folder / "litellm.yaml"
        config.write_text(
            "model_list: [{model_name: m, litellm_params: {model: openai/m, api_key: none, "
            f"api_base: {upstream}/v1}}}}]\n"
        )
        yield "litellm proxy", ("-m", "litellm.proxy.proxy_cli", "--config", str(config), "--port", str(port))
    else:
        print("SKIPPED: litellm is not installed; pip install 'litellm[proxy]' for its row")


async def main(requests: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        for name, command in servers(upstream, port, Path(folder)):
            with running(port, *command) as process:
                rows.append(await measured(name, port, process, requests))
    print(f"{requests} requests of {len(ASKED)} bytes, {len(SAID)} back, {CONCURRENCY} at once, one process")
    print(f"{'server':<34}{'requests/s':>12}{'CPU µs':>10}{'MB':>8}{'CPU, of wardline empty':>26}")
    for row in rows:
        ratio = row.cpu / rows[0].cpu
        print(f"{row.name:<34}{row.rate:>12.0f}{row.cpu:>10.0f}{row.memory:>8.0f}{ratio:>26.2f}")
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5_000)
    asyncio.run(main(parser.parse_args().requests))
