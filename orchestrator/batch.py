"""The main job: records in, each through a guarded model, one JSON line a record out.

A line holds `id`, `value` or `error`, `attempts`, `usage`, `cost` (US dollars), `latency_ms` and `findings`
(how often each code was found).  Lines come in the order in which records are finished.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from random import random
from typing import Any, BinaryIO, Self, TypeAlias

from guards._errors import GuardError
from guards._flow import guard_name
from guards._types import Event, Usage
from orchestrator._engine.drive import World
from orchestrator._engine.orchestrator import Orchestrator
from orchestrator._engine.session import current
from orchestrator.sim.clock import LoopClock, SimulatedLoop
from orchestrator.telemetry.traces import keeping

Messages: TypeAlias = list[dict[str, Any]]
Ask: TypeAlias = Callable[[Messages], Awaitable[Any]]

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
LINES = (".jsonl", ".ndjson")
BACKSTOP_SECONDS = 600.0


class BatchError(Exception):
    """A run that cannot start or go on: where, what is wrong, and the cure."""


class BadRecord(GuardError):
    """One record of the input that cannot be read; says which file and line, and what is wrong there."""

    code = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One piece of work.  `place` says where it stands in the input; a `problem`, why it cannot be done."""

    id: str
    place: str
    messages: Messages = field(default_factory=list)
    problem: str = ""


def run_files(policy: Any, inputs: Sequence[Path | str] = (), **options: Any) -> int:
    """Send the records of some files (none: standard input) through a policy's guarded model.

    Takes the options of `start`.  Returns the exit status: 0 if all went well, 1 if some records failed, 2
    if the input or the policy is bad, 130 if interrupted.
    """
    try:
        return start(policy, inputs, **options)
    except KeyboardInterrupt:
        print("interrupted; lines already written stay, and --resume goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    except (BatchError, GuardError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


def start(
    policy: Any,
    inputs: Sequence[Path | str] = (),
    *,
    output: Path | str | None = None,
    target: str | None = None,
    system: str | None = None,
    upstream: str | None = None,
    model: str = "sim",
    api_key_env: str | None = None,
    concurrency: int = 8,
    resume: bool = False,
    faults: str = "calm",
    seed: int = 0,
    traces: Path | None = None,
) -> int:
    """Do the job, and say on standard error how it went.

    Without a `target`, the policy's only model is meant, if it has one.  Without an `upstream` URL the
    simulated provider answers, in simulated time.  `model` is the name at the
    upstream; the policy's own `id` for the target is used where nothing else is said.  What happens goes to
    the trace store `traces`, if one is named.
    """
    if concurrency < 1:
        raise BatchError(f"concurrency is {concurrency}; it must be 1 or more")
    ledger = Ledger()
    draw = Draws(seed).draw if upstream is None else random
    world = World(clock=LoopClock(), sink=ledger.note, random=draw)
    evidence = None
    if traces is not None:
        evidence = keeping(traces, world.clock if upstream is None else None)
    gate = Orchestrator.from_policy(policy, world=world, evidence=evidence)
    if target is None:
        target = next(iter(gate.policy.models)) if len(gate.policy.models) == 1 else "model"
    if model == "sim" and target in gate.policy.models:
        model = gate.policy.models[target].id
    wanted = wanted_schema(gate, target)
    if upstream is None:
        answering = simulated(gate, model, wanted, faults=faults, seed=seed)
    else:
        answering = openai_compatible(upstream, model, wanted, key=_key(api_key_env))
    files = _checked(inputs)
    with Output.open(output, resume=resume) as out, evidence or nullcontext():
        out.progress = Progress.of(files, out)
        todo = (record for record in records(files, system) if not out.has(record.id))

        async def job() -> None:
            async with answering as ask:
                await run_batch(
                    gate, todo, ask, target=target, ledger=ledger, emit=out.write, concurrency=concurrency
                )

        with asyncio.Runner(loop_factory=SimulatedLoop if upstream is None else None) as runner:
            _unwrapped(runner.run, job())
    print(out.told(), file=sys.stderr)
    return FAILED if out.failed else OK


async def run_batch(
    gate: Orchestrator,
    todo: Iterable[Record],
    ask: Ask,
    *,
    target: str,
    ledger: Ledger,
    emit: Callable[[dict[str, Any]], None],
    concurrency: int = 8,
) -> None:
    """Send records through the guarded `ask`, at most `concurrency` at once; `emit` is given each result.

    `ledger.note` must be the sink of the gate's world.
    """
    guarded = gate.model(target, prompt="messages")(_asking(ask))
    source = iter(todo)

    async def work() -> None:
        for record in source:
            emit(await _result(gate, guarded, record, target, ledger))
            await asyncio.sleep(0)  # so that an interruption is heard even if nothing else waits

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())


def _asking(ask: Ask) -> Callable[[Messages], Any]:
    async def asked(messages: Messages) -> Any:
        return await ask(messages)

    return asked


async def _result(
    gate: Orchestrator, guarded: Ask, record: Record, target: str, ledger: Ledger
) -> dict[str, Any]:
    now = gate.world.clock.now
    started = now()
    outcome: dict[str, Any]
    try:
        if record.problem:
            raise BadRecord(f"{record.place}: {record.problem}")
        with gate.session(request_id=record.id):
            outcome = {"value": value_of(await guarded(record.messages))}
    except GuardError as error:
        error.boundary, error.target = error.boundary or "model", error.target or target
        error.request_id = error.request_id or record.id
        outcome = {"error": error.detail()}
    except Exception as accident:
        # What it says may quote the record, so only its kind is told.
        outcome = {"error": {"code": "error", "message": type(accident).__name__, "request_id": record.id}}
    latency = round((now() - started) * 1000, 3)
    return {"id": record.id, **outcome, **ledger.settle(record.id), "latency_ms": latency}


@dataclass(slots=True)
class Account:
    """What one record has taken so far."""

    attempts: int = 0
    usage: Usage = Usage()
    cost: float | None = None
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        self.findings.update(finding.code for finding in event.findings)
        if event.what != "call":
            return
        self.attempts += 1
        self.usage += event.data.get("usage") or Usage()
        if (cost := event.data.get("cost")) is not None:
            self.cost = (self.cost or 0.0) + cost


class Ledger:
    """Keeps an account for each request, from the events of its guards and calls."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def note(self, event: Event) -> None:
        self._accounts.setdefault(event.run.request_id, Account()).add(event)

    def settle(self, request_id: str) -> dict[str, Any]:
        """The account of a request as JSON; it is closed with that."""
        account = self._accounts.pop(request_id, Account())
        used = account.usage
        return {
            "attempts": account.attempts,
            "usage": {"input": used.input, "output": used.output, "cached": used.cached},
            "cost": None if account.cost is None else round(account.cost, 9),
            "findings": dict(sorted(account.findings.items())),
        }


def value_of(completion: Any) -> Any:
    """What a completion says: the JSON object or array that it is, else its text."""
    text = completion["choices"][0]["message"].get("content")
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def wanted_schema(gate: Orchestrator, target: str) -> dict[str, Any]:
    """What to tell the model of the schema that its reply must fit, as an option of the request."""
    for guard in gate.chain("model", target).guards:
        inner = getattr(guard, "guard", guard)  # behind a condition, or only observed
        schema = getattr(inner, "schema", None) if guard_name(inner) == "schema" else None
        if isinstance(schema, str):
            schema = _type_schema(schema)
        if isinstance(schema, Mapping):
            wanted = {"name": "answer", "schema": dict(schema)}
            return {"response_format": {"type": "json_schema", "json_schema": wanted}}
    return {}


def _type_schema(path: str) -> dict[str, Any]:
    from pkgutil import resolve_name

    from pydantic import TypeAdapter

    return TypeAdapter(resolve_name(path)).json_schema()


class Draws:
    """Numbers in [0, 1) that depend on a seed and on the request, and not on the order of requests."""

    def __init__(self, seed: int) -> None:
        self._seed, self._drawn = seed, Counter[str]()

    def draw(self) -> float:
        request_id = current().request_id
        self._drawn[request_id] += 1
        written = json.dumps([self._seed, request_id, self._drawn[request_id]])
        return int.from_bytes(blake2b(written.encode(), digest_size=6).digest()) / 2**48


@asynccontextmanager
async def simulated(
    gate: Orchestrator, model: str, wanted: Mapping[str, Any], *, faults: Any = "none", seed: int = 0
) -> AsyncIterator[Ask]:
    """The simulated provider: what it answers to a record depends on the seed, the record and its id."""
    from orchestrator.sim.provider import Provider

    try:
        provider = Provider(faults, seed)
    except ValueError as error:
        raise BatchError(str(error)) from None

    async def ask(messages: Messages) -> Any:
        body = {"model": model, "messages": messages, **wanted}
        answer = provider.answer(body, key=current().request_id)
        await gate.world.clock.asleep(answer.seconds)
        return answer.result()

    yield ask


@asynccontextmanager
async def openai_compatible(
    url: str, model: str, wanted: Mapping[str, Any], *, key: str = ""
) -> AsyncIterator[Ask]:
    """A server that speaks OpenAI's chat completions; `url` is its base, as in `http://127.0.0.1:8080/v1`."""
    if not url.startswith(("http://", "https://")):
        raise BatchError(f"the upstream {url!r} is no URL; write it like http://127.0.0.1:8080/v1")
    import httpx

    headers = {"authorization": f"Bearer {key}"} if key else {}
    path = "" if url.rstrip("/").endswith("/chat/completions") else "/chat/completions"
    async with httpx.AsyncClient(headers=headers, timeout=BACKSTOP_SECONDS) as client:

        async def ask(messages: Messages) -> Any:
            body = {"model": model, "messages": messages, **wanted}
            response = await client.post(url.rstrip("/") + path, json=body)
            response.raise_for_status()
            completion = response.json()
            if not isinstance(completion, dict) or not completion.get("choices"):
                raise ValueError("the upstream's reply is not a chat completion")
            return completion

        yield ask


def _key(variable: str | None) -> str:
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise BatchError(f"the environment variable {variable} holds no key; set it, or drop --api-key-env")
    return key


def records(files: Sequence[Path], system: str | None = None) -> Iterator[Record]:
    """The records of some files, in order; no files: of standard input.

    A file of JSON lines holds a record a line, with `text` or `messages` and perhaps an `id`; any other
    file is one record, whose id is the file's name.  What cannot be read comes as a record with a problem.
    """
    taken: set[str] = set()
    for record in chain.from_iterable(_sources(files)):
        if record.id in taken and not record.problem:
            problem = "its id is used before; every record needs an id of its own"
            record = replace(record, id=record.place, problem=problem)  # noqa: PLW2901
        while record.id in taken:
            record = replace(record, id=f"{record.id}+")  # noqa: PLW2901
        taken.add(record.id)
        if system is not None:
            told = [{"role": "system", "content": system}, *record.messages]
            record = replace(record, messages=told)  # noqa: PLW2901
        yield record


def _sources(files: Sequence[Path]) -> Iterator[Iterable[Record]]:
    if not files:
        yield _standard_input(sys.stdin.buffer)
    names = Counter(file.name for file in files)
    for file in files:
        name = file.name if names[file.name] == 1 else str(file)
        if file.suffix.lower() in LINES:
            yield _file_lines(file, "" if len(files) == 1 else f"{name}:")
        else:
            yield [_document(file.read_bytes(), name, str(file))]


def _file_lines(file: Path, prefix: str) -> Iterator[Record]:
    with file.open("rb") as stream:
        yield from _lines(enumerate(stream, 1), str(file), prefix)


def _standard_input(stream: BinaryIO) -> Iterator[Record]:
    """JSON lines if the first line is a JSON object, else one text."""
    opening = b""
    for number, line in enumerate(stream, 1):
        if not line.strip():
            opening += line
            continue
        if line.strip().startswith(b"{") and line.strip().endswith(b"}"):
            yield from _lines(chain([(number, line)], enumerate(stream, number + 1)), "standard input", "")
        else:
            yield _document(opening + line + stream.read(), "stdin", "standard input")
        return


def _document(content: bytes, name: str, place: str) -> Record:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Record(id=name, place=place, problem=f"this is not UTF-8 text, at byte {error.start}")
    if not text.strip():
        return Record(id=name, place=place, problem="there is no text in it")
    return Record(id=name, place=place, messages=[{"role": "user", "content": text}])


def _lines(lines: Iterable[tuple[int, bytes]], file: str, prefix: str) -> Iterator[Record]:
    for number, line in lines:
        if line.strip():
            yield _record(line, f"{file}:{number}", f"{prefix}{number}")


def _record(line: bytes, place: str, default: str) -> Record:
    """One line; where it has a problem, its id is its place, as what it says of itself may be wrong too."""
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return Record(id=place, place=place, problem=f"this is not JSON: {error.msg}, column {error.colno}")
    except UnicodeDecodeError as error:
        return Record(id=place, place=place, problem=f"this is not UTF-8 text, at byte {error.start}")
    except (ValueError, RecursionError):
        return Record(
            id=place,
            place=place,
            problem="this is JSON beyond bounds: nested too deeply, or too long a number",
        )
    if problem := _problem(value):
        return Record(id=place, place=place, problem=problem)
    messages = value.get("messages") or [{"role": "user", "content": value["text"]}]
    return Record(id=str(value.get("id", default)), place=place, messages=messages)


def _problem(value: Any) -> str:
    if not isinstance(value, dict):
        return 'a record is an object, like {"id": "1", "text": "..."}'
    if isinstance(value.get("id", ""), bool) or not isinstance(value.get("id", ""), (str, int)):
        return "`id` is neither a text nor a whole number"
    if ("text" in value) == ("messages" in value):
        return "a record has either `text` or `messages`"
    if "text" in value:
        told = isinstance(value["text"], str) and bool(value["text"].strip())
        return "" if told else "`text` is not a text that says something"
    messages = value["messages"]
    good = isinstance(messages, list) and all(
        isinstance(message, dict) and isinstance(message.get("role"), str) and "content" in message
        for message in messages
    )
    return "" if good and messages else "`messages` is not a list of objects with `role` and `content`"


def _checked(inputs: Sequence[Path | str]) -> list[Path]:
    """The files, all of them there and readable; `-` alone is standard input."""
    files = [Path(one) for one in inputs]
    if files == [Path("-")]:
        return []
    for file in files:
        if file.is_dir():
            raise BatchError(f"{file} is a folder; name the files in it, like {file}/*.txt")
        with file.open("rb"):
            pass
    return files


@dataclass(slots=True)
class Output:
    """Where the results go: whole lines only, each of them written at once.

    `finished` are the ids that were there before, `failed` counts all failed records in the file.
    """

    write_bytes: Callable[[bytes], object]
    finished: frozenset[str] = frozenset()
    failed: int = 0
    done: int = 0
    progress: Progress | None = None

    @classmethod
    @contextmanager
    def open(cls, path: Path | str | None, *, resume: bool = False) -> Iterator[Self]:
        """A file, or standard output.  A file that holds results already is only ever added to."""
        if path is None:
            if resume:
                raise BatchError("there is no output file to resume; name it with --output")
            yield cls(_to_standard_output)
            return
        path = Path(path)
        before = _finished(path) if resume else {}
        if not resume and path.exists() and path.stat().st_size:
            raise BatchError(f"{path} holds something already; add --resume to go on, or name another file")
        with path.open("ab", buffering=0) as file:
            yield cls(_whole(file.write), frozenset(before), sum(before.values()))

    def has(self, record_id: str) -> bool:
        return record_id in self.finished

    def write(self, result: dict[str, Any]) -> None:
        # A lone surrogate has no UTF-8; written with a backslash, it is the JSON escape that it came from.
        line = json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n"
        self.write_bytes(line.encode("utf-8", "backslashreplace"))
        self.done += 1
        self.failed += "error" in result
        if self.progress is not None:
            self.progress.show(self.done, self.failed)

    def told(self) -> str:
        before = f", {len(self.finished)} done before" if self.finished else ""
        return f"{self.done} done{before}, {self.failed} failed"


def _to_standard_output(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _whole(write: Callable[[bytes], int]) -> Callable[[bytes], None]:
    def whole(line: bytes) -> None:
        while line:
            line = line[write(line) :]

    return whole


def _finished(path: Path) -> dict[str, bool]:
    """The ids of the results in a file, and which failed; a torn last line is cut off."""
    if not path.exists():
        return {}
    finished: dict[str, bool] = {}
    end = 0
    with path.open("r+b") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            end += len(line)
            result = _result_line(line)
            if result is None:
                raise BatchError(f"{path}:{number}: this is no result of an earlier run; name another file")
            finished[result["id"]] = "error" in result
        file.truncate(end)
    return finished


def _result_line(line: bytes) -> dict[str, Any] | None:
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return None
    good = (
        isinstance(result, dict)
        and isinstance(result.get("id"), str)
        and bool({"value", "error"} & result.keys())
    )
    return result if good else None


@dataclass(slots=True)
class Progress:
    """How far the work is, in one line on the terminal that is written over and over."""

    total: int | None
    step: int = 1

    @classmethod
    def of(cls, files: Sequence[Path], out: Output) -> Self | None:
        """Only on a terminal, and only where the results do not go to it too."""
        if not sys.stderr.isatty() or (out.write_bytes is _to_standard_output and sys.stdout.isatty()):
            return None
        total = sum(map(_count, files)) - len(out.finished) if files else None
        return cls(total, max(1, (total or 0) // 200))

    def show(self, done: int, failed: int) -> None:
        if done % self.step and done != self.total:
            return
        told = f"{done}" if self.total is None else f"{done}/{self.total}"
        end = "\n" if done == self.total else ""
        print(f"\r{told} records, {failed} failed", end=end, file=sys.stderr, flush=True)


def _count(file: Path) -> int:
    if file.suffix.lower() not in LINES:
        return 1
    with file.open("rb") as stream:
        return sum(bool(line.strip()) for line in stream)


def _unwrapped(run: Callable[[Any], Any], job: Any) -> None:
    """Run a job; of several errors in a group, the first one is raised itself."""
    try:
        run(job)
    except BaseExceptionGroup as several:
        error: BaseException = several
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
