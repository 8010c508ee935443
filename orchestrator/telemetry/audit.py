"""The audit log: who asked for what, what the guards decided, and proof that nobody changed it since.

It is a file of JSON lines.  Each record is numbered and commits to the one before; every so many, a
checkpoint is signed and told to an anchor.  It never holds content, and of persons only keyed digests.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, Self

from guards._errors import GuardFailed
from guards._types import Event, Run
from guards._wishes import Decision, Review
from orchestrator._engine.drive import World
from orchestrator._engine.trace import BESIDE_AUDIT
from orchestrator.telemetry._links import (
    START,
    TAIL,
    AuditError,
    anchors,
    fields_of,
    line_of,
    link_of,
    linked,
    private_key,
    public_key,
    sealed,
    sealed_name,
    signed,
)
from orchestrator.telemetry._names import PHRASE, Names
from orchestrator.telemetry._walk import Verdict, export, verify
from orchestrator.telemetry.events import outcome

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from policies._policy import Policy

__all__ = ["AuditError", "AuditLog", "Verdict", "export", "private_key", "public_key", "verify"]

RESERVED = frozenset({"n", "at_ms", "log", "digest", "hash"})
SHORTEST_KEY = 16
BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log goes on: the next record's number, the last one's link, and the byte to write at.

    After a seal, it goes on in the next segment.
    """

    number: int
    link: bytes
    end: int
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """The file that is written now, as its first record describes it."""

    file: int
    inode: int
    log: str
    number: int
    first: int
    every: int


class AuditLog:
    """An append-only log in a file; safe under threads, tasks, processes and forks.

    `key` (16 bytes or more, best from the environment) makes the digests of persons; without one, nothing
    is said of them.  `signer` signs what the log says about itself: each segment's beginning and end, and a
    checkpoint at every record whose number divides by `every`.  `anchor` is a file, best on another machine's
    disk, that is told of them too.  After `segment` records, the file is sealed as FILE.000001 and so on, and
    with `keep`, all but so many sealed ones are deleted.  `fsync` says when records are forced to the disk:
    each `record`, or each `checkpoint`.

    Raises AuditError if the file is none of ours, or was changed where it would go on, and OSError.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        key: str = "",
        signer: Ed25519PrivateKey | None = None,
        anchor: Path | str | None = None,
        every: int = 1_000,
        segment: int = 100_000,
        keep: int | None = None,
        fsync: Literal["record", "checkpoint"] = "checkpoint",
        clock: Callable[[], float] = time.time,
    ) -> None:
        _checked(key, every, segment, keep)
        self.path, self._signer = Path(path), signer
        self._name_of_file = str(self.path)
        self._names = Names(key)
        self._anchor = None if anchor is None else Path(anchor)
        self._every, self._length, self._keep = every, segment, keep
        self._each, self._clock = fsync == "record", clock
        self._closed = self._dirty = False
        self._forget()
        self._least = 0
        with self._alone():
            self._recover()

    def watch(self, policy: Policy, world: World | None = None) -> World:
        """A world whose events and human decisions are recorded, after the policy that it is for."""
        world = world or World()
        name, digest = self._names.name(policy.name), policy.digest
        self.append(what="policy", boundary="policy", target=name, outcome="set", policy=digest)
        reviewer, sink = world.reviewer, world.sink

        def noting(event: Event) -> None:
            self.event(event, digest)
            if sink is not None:
                sink(event)

        def asking(question: Review) -> Decision | Awaitable[Decision]:
            decision = reviewer(question)
            if not isinstance(decision, Decision):
                return later(question, decision)
            self.decision(question, decision, digest)
            return decision

        async def later(question: Review, coming: Awaitable[Decision]) -> Decision:
            decision = await coming
            self.decision(question, decision, digest)
            return decision

        return replace(world, sink=noting, reviewer=asking)

    def event(self, event: Event, policy: str = "") -> None:
        """Record an event.  Raises `GuardFailed` if that cannot be done: no evidence, no call."""
        ended = event.what == "crossed" and event.data["error"]
        if event.what in BESIDE_AUDIT and not ended:
            return
        try:
            self.append(
                what="ended" if ended else event.what if PHRASE(event.what) else "event",
                boundary=event.boundary,
                target=self._names.name(event.target),
                **self._whose(event.run),
                guard=self._names.name(event.guard),
                outcome=outcome(event),
                codes=sorted({self._names.name(finding.code) for finding in event.findings}),
                policy=policy,
            )
        except (OSError, AuditError) as error:
            raise GuardFailed.of("audit", error) from None

    def decision(self, question: Review, decision: Decision, policy: str = "") -> None:
        """Record what a person decided, and by a digest who it was."""
        call = question.call
        try:
            self.append(
                what="review",
                boundary=call.kind,
                target=self._names.name(call.target),
                **self._whose(call.run),
                by=self._names.digest("by", decision.by),
                outcome=decision.verdict,
                policy=policy,
            )
        except (OSError, AuditError) as error:
            raise GuardFailed.of("audit", error) from None

    def append(self, **fields: Any) -> int:
        """Write one record, of JSON values that hold no content and no personal data; its number."""
        if not fields.keys().isdisjoint(RESERVED):
            raise ValueError(f"a record cannot have fields of its own named {', '.join(sorted(RESERVED))}")
        with self._alone():
            self._recover()
            self._ready()
            number = self._place.number
            self._write({"at_ms": self._now(), **fields})
            self._dirty = True
            self._ready()
            return number

    def checkpoint(self) -> None:
        """Sign all records so far, force them to the disk, and tell the anchor."""
        with self._alone():
            self._recover()
            self._control("checkpoint")

    def close(self) -> None:
        """End with a checkpoint, if this object has written since the last one."""
        if self._closed:
            return
        if self._dirty:
            self.checkpoint()
        self._closed = True
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # What a record may say.

    def _whose(self, run: Run) -> Mapping[str, str]:
        return {
            "request": self._names.name(run.request_id),
            "session": self._names.digest("session", run.session),
            "user": self._names.digest("user", run.user),
        }

    def _now(self) -> int:
        return int(self._clock() * 1000)

    # One writer at a time, among threads and processes.

    def _forget(self) -> None:
        """Hold nothing of what a parent process may hold."""
        self._process, self._mutex = os.getpid(), RLock()
        self._lock: int | None = None
        self._segment: Segment | None = None
        self._place = Place(0, START, 0)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._process != os.getpid():  # a lock on a file is shared with the parent that opened it
            self._release()
            self._forget()
        with self._mutex:
            if self._closed:
                raise AuditError(f"{self.path} is closed; open another AuditLog on it")
            if self._lock is None:
                self._lock = _opened(self.path.with_name(f"{self.path.name}.lock"))
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        if self._segment is not None:
            os.close(self._segment.file)
        self._lock = self._segment = None

    # Where the log goes on.

    def _recover(self) -> None:
        """See what others wrote since, and set aside what a killed writer left unfinished."""
        try:
            there = os.stat(self._name_of_file)
        except FileNotFoundError:
            self._first()
            return
        if self._segment is None or there.st_ino != self._segment.inode:
            self._reopen()
        elif there.st_size != self._place.end:
            self._place = self._tail(self._segment)
        if self._place.sealed:  # somebody was killed, or interrupted, while sealing
            self._succeed(self._open())

    def _ready(self) -> None:
        """Let no ordinary record stand where a checkpoint or another segment must be."""
        while True:
            segment = self._open()
            if self._place.number - segment.first >= self._length:
                self._control("seal")
                self._succeed(segment)
            elif self._place.number % segment.every == 0:
                self._control("checkpoint")
            else:
                return

    def _open(self) -> Segment:
        assert self._segment is not None, "_recover opens it"  # noqa: S101 - said for the type checker
        return self._segment

    def _first(self) -> None:
        """Begin a log where there is none, and never was."""
        if self._segment is not None or self._anchored() or sealed(self.path):
            raise self._damaged("it is gone, though others know of it")
        self._begin(os.urandom(16).hex(), 1, START, 0)

    def _reopen(self) -> None:
        segment, known = self._described(_opened(self.path)), self._anchored()
        if known is not None and known["log"] != segment.log:
            os.close(segment.file)
            raise self._damaged(f"{self._anchor} knows another log of this name")
        if self._segment is not None:
            os.close(self._segment.file)
        self._segment, self._least = segment, known["n"] + 1 if known else 0
        self._place = self._tail(segment)

    def _described(self, file: int) -> Segment:
        first = os.pread(file, BLOCK, 0).partition(b"\n")[0]
        told = fields_of(first)
        try:
            if told["log"] != "open":
                raise KeyError
            inode = os.fstat(file).st_ino
            return Segment(file, inode, told["id"], told["segment"], told["n"], told["every"])
        except KeyError:
            os.close(file)
            raise self._damaged("it does not begin as an audit log does") from None

    def _tail(self, segment: Segment) -> Place:
        """Read the last whole record; what follows it is set aside."""
        size = os.fstat(segment.file).st_size
        before, last, torn = self._last_lines(segment.file, size)
        told = fields_of(last)
        number, link = told.get("n"), link_of(fields_of(before).get("hash") if before else told.get("prev"))
        made = linked(link or b"", sha256(last[:-TAIL]).digest())
        if not isinstance(number, int) or last[-TAIL:] != b'%b"}\n' % made.hex().encode():
            raise self._damaged("its last record was changed")
        if number + 1 < max(self._place.number, self._least):
            raise self._damaged(f"it ends at record {number}, and had more")
        place = Place(number + 1, made, size - len(torn), told.get("log") == "seal")
        return self._repaired(segment, place, torn) if torn else place

    def _last_lines(self, file: int, size: int) -> tuple[bytes, bytes, bytes]:
        """The last two whole lines of a file, and what follows them."""
        start = size
        data = b""
        while start > 0 and data.count(b"\n") < 3:
            begin = max(0, start - BLOCK)
            data = os.pread(file, start - begin, begin) + data
            start = begin
        *lines, torn = data.split(b"\n")
        whole = [line + b"\n" for line in lines]
        if not whole:
            raise self._damaged("it has no whole record")
        return (whole[-2] if len(whole) > 1 else b""), whole[-1], torn

    def _repaired(self, segment: Segment, place: Place, torn: bytes) -> Place:
        """Record an unfinished line over itself, so that the log goes on whatever is killed meanwhile."""
        aside = _opened(self.path.with_name(f"{self.path.name}.torn"), os.O_APPEND)
        try:
            os.write(aside, torn + b"\n")
            os.fsync(aside)
        finally:
            os.close(aside)
        self._segment, self._place = segment, place
        self._control("recovered", torn=len(torn), sha256=sha256(torn).hexdigest())
        os.ftruncate(segment.file, self._place.end)
        return self._place

    # Writing.

    def _write(self, fields: Mapping[str, Any]) -> None:
        """Add one line, whole or not at all."""
        place, segment = self._place, self._open()
        line, link = line_of(place.number, fields, place.link)
        try:
            _put(segment.file, line, place.end)
            if self._each:
                os.fdatasync(segment.file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(segment.file, place.end)
            raise
        ends = fields.get("log") == "seal"
        self._place = Place(place.number + 1, link, place.end + len(line), ends)

    def _control(self, kind: str, **fields: Any) -> None:
        """Add a record about the log itself; it counts once it is on the disk and the anchor knows it."""
        place = self._place
        said = {"log": kind, "at_ms": self._now(), **fields}
        self._write(signed(place.number, said, place.link, self._signer))
        os.fsync(self._open().file)
        self._tell(place.number)
        self._dirty = False

    def _tell(self, number: int) -> None:
        if self._anchor is None:
            return
        said = {"log": self._open().log, "n": number, "hash": self._place.link.hex()}
        file = _opened(self._anchor, os.O_APPEND)
        try:
            start = max(0, os.fstat(file).st_size - BLOCK)
            end = os.pread(file, BLOCK, start)
            if not end.endswith(b"\n"):  # somebody was killed
                os.ftruncate(file, start + end.rfind(b"\n") + 1)
            os.write(file, _json(said))
            os.fsync(file)
        finally:
            os.close(file)

    def _anchored(self) -> Mapping[str, Any] | None:
        """The last that the anchor knows."""
        if self._anchor is None or not self._anchor.exists():
            return None
        known = anchors(self._anchor)
        return known[-1] if known else None

    # Segments.

    def _succeed(self, segment: Segment) -> None:
        """Give a sealed segment its name, and put the next one in its place at once."""
        name = sealed_name(self.path, segment.number)
        with suppress(FileExistsError):
            os.link(self.path, name)
        if not name.samefile(self.path):
            raise self._damaged(f"{name} is there already, and is another file")
        self._begin(segment.log, segment.number + 1, self._place.link, self._place.number)
        self._retire()

    def _begin(self, log: str, number: int, before: bytes, first: int) -> None:
        """Begin a segment: it appears under the log's name when its first record is whole."""
        fresh, every = self.path.with_name(f"{self.path.name}.next"), self._every
        said = {"log": "open", "at_ms": self._now(), "id": log, "segment": number, "every": every}
        said["prev"] = before.hex()
        line, link = line_of(first, signed(first, said, before, self._signer), before)
        file = _opened(fresh, os.O_TRUNC)
        try:
            _put(file, line, 0)
            os.fsync(file)
            fresh.replace(self.path)
        except BaseException:
            os.close(file)
            raise
        if self._segment is not None:
            os.close(self._segment.file)
        self._segment = Segment(file, os.fstat(file).st_ino, log, number, first, every)
        self._place = Place(first + 1, link, len(line))
        _fsync_folder(self.path.parent)
        self._tell(first)

    def _retire(self) -> None:
        """Delete the oldest sealed segments, once the log says so."""
        files = sealed(self.path)
        old = files if self._keep == 0 else files[: -self._keep] if self._keep else []
        if not old:
            return
        with old[-1].open("rb") as file:
            _, last, _ = self._last_lines(file.fileno(), os.fstat(file.fileno()).st_size)
        told = fields_of(last)
        self._control("retired", through=told.get("n"), head=told.get("hash"))
        for each in old:
            each.unlink()

    def _damaged(self, what: str) -> AuditError:
        cure = "see `wardline audit verify`, keep the file as it is, and begin another"
        return AuditError(f"{self.path} cannot go on: {what}; {cure}")


def _checked(key: str, every: int, segment: int, keep: int | None) -> None:
    if key and len(key.encode()) < SHORTEST_KEY:
        raise ValueError(f"the audit key has {len(key.encode())} bytes; give it at least {SHORTEST_KEY}")
    if every < 2:
        raise ValueError(f"every {every} records cannot be a checkpoint; it must be at least 2")
    if segment < 2:
        raise ValueError(f"a segment of {segment} records holds nothing; it must be at least 2")
    if keep is not None and keep < 0:
        raise ValueError(f"{keep} sealed segments cannot be kept; it must be at least 0, or None for all")


def _opened(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)


def _put(file: int, line: bytes, at: int) -> None:
    if os.pwrite(file, line, at) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _json(said: Mapping[str, Any]) -> bytes:
    import json

    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def _fsync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
