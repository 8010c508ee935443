"""The audit log: any change of it is found, whatever is killed it goes on, and it holds nothing personal."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from guards import Blocked, Call, Denied, Finding, GuardFailed, Part, Run
from guards._types import Event
from guards._wishes import Decision, Review
from guards.permit import Permit
from orchestrator import Orchestrator, World
from orchestrator import telemetry as front_door
from orchestrator.cli import cli
from orchestrator.telemetry import audit
from orchestrator.telemetry._links import START, line_of
from orchestrator.telemetry.audit import (
    AuditError,
    AuditLog,
    Verdict,
    export,
    private_key,
    public_key,
    verify,
)
from policies import Policy

KEY = "0123456789abcdef"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = SIGNER.public_key().public_bytes_raw().hex()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
MEMORY = Path("/dev/shm")  # forcing to the disk is slow, and not what is tested


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def place() -> Iterator[Path]:
    with folder() as path:
        yield path


def opened(place: Path, **settings: Any) -> AuditLog:
    given = {"key": KEY, "signer": SIGNER, "anchor": place / "anchor", "every": 4, "segment": 9, **settings}
    return AuditLog(place / "log", clock=lambda: 1.0, **given)


def written(place: Path, count: int = 27, **settings: Any) -> dict[str, bytes]:
    """The files of a log of so many calls."""
    with opened(place, **settings) as log:
        for number in range(count):
            log.append(what="call", target=f"t{number}")
    return files(place)


def files(place: Path) -> dict[str, bytes]:
    """A log's own files, oldest first."""
    names = sorted(path.name for path in place.glob("log.0*"))
    return {name: (place / name).read_bytes() for name in [*names, "log"]}


def laid(place: Path, log: dict[str, bytes], anchor: bytes | None = None) -> None:
    for old in place.glob("log*"):
        old.unlink()
    for name, data in log.items():
        (place / name).write_bytes(data)
    if anchor is not None:
        (place / "anchor").write_bytes(anchor)


def judged(place: Path, *, anchor: bool = True, keys: bool = True) -> Verdict:
    known = place / "anchor" if anchor else None
    return verify(place / "log", anchor=known, keys=[PUBLIC] if keys else None)


def lines(log: dict[str, bytes]) -> list[bytes]:
    return b"".join(log.values()).splitlines(keepends=True)


def calls(place: Path) -> list[str]:
    told = [json.loads(line) for line in lines(files(place)) if line.endswith(b"\n")]
    return [each["target"] for each in told if "log" not in each]


with folder() as made:
    LOG = written(made)
    ANCHOR = (made / "anchor").read_bytes()
with folder() as made:
    STRANGE = written(made)  # another log, of the same owner
with folder() as made:
    SINGLE = written(made, 7, segment=100)
    SINGLE_ANCHOR = (made / "anchor").read_bytes()

LINES = lines(LOG)
EDITS = [
    "flip",
    "put",
    "cut",
    "truncate",
    "remove",
    "swap",
    "repeat",
    "splice",
    "drop file",
    "swap files",
    "splice file",
]


def edited(data: st.DataObject) -> dict[str, bytes]:
    """A log with something done to it."""
    log = dict(LOG)
    how = data.draw(st.sampled_from(EDITS), label="how")
    name, other = data.draw(st.tuples(*[st.sampled_from(sorted(log))] * 2), label="where")
    if how == "drop file":
        del log[name]
    elif how == "splice file":
        log[name] = STRANGE[name]
    elif how == "swap files":
        log[name], log[other] = log[other], log[name]
    elif how in ("flip", "put", "cut", "truncate"):
        log[name] = of_bytes(how, log[name], data)
    else:
        log[name] = b"".join(of_lines(how, log[name].splitlines(keepends=True), data))
    return log


def of_bytes(how: str, text: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(text) - 1), label="at")
    if how == "truncate":
        return text[:at]
    if how == "cut":
        return text[:at] + text[at + data.draw(st.integers(1, 300), label="length") :]
    new = data.draw(st.binary(min_size=1, max_size=4) | st.just(b"\n"), label="new")
    return text[:at] + new + text[at + (len(new) if how == "flip" else 0) :]


def of_lines(how: str, rows: list[bytes], data: st.DataObject) -> list[bytes]:
    one, two = data.draw(st.tuples(*[st.integers(0, len(rows) - 1)] * 2), label="lines")
    if how == "remove":
        return rows[: min(one, two)] + rows[max(one, two) + 1 :]
    if how == "swap":
        rows[one], rows[two] = rows[two], rows[one]
        return rows
    new = rows[one] if how == "repeat" else data.draw(st.sampled_from(lines(STRANGE)), label="new")
    return [*rows[:two], new, *rows[two + data.draw(st.integers(0, 1)) :]]


@settings(max_examples=600)
@given(st.data())
def test_any_edit_removal_reordering_truncation_or_splice_is_found(data: st.DataObject) -> None:
    log = edited(data)
    if log == LOG:
        return
    with folder() as place:
        laid(place, log, ANCHOR)
        try:
            verdict = judged(place)
        except FileNotFoundError:
            assert "log" not in log
            return
    assert not verdict.holds
    same = [one == other for one, other in zip(LINES, lines(log), strict=False)]
    assert verdict.bad == (same.index(False) if False in same else min(len(same), len(LINES)))


@settings(max_examples=300)
@given(st.data())
def test_without_key_and_anchor_only_a_cut_of_the_end_can_pass(data: st.DataObject) -> None:
    log = edited(data)
    with folder() as place:
        laid(place, log)
        if "log" in log:
            verdict = judged(place, anchor=False, keys=False)
            if verdict.holds:
                assert lines(log)[: verdict.records] == LINES[: verdict.records]
                assert verdict.torn == len(b"".join(lines(log)[verdict.records :]))


def test_another_log_of_the_same_owner_is_told_by_the_anchor(place: Path) -> None:
    laid(place, STRANGE, ANCHOR)
    assert judged(place, anchor=False).holds
    assert (judged(place).bad, judged(place).problem) == (0, "begins another log than the anchor knows")


def test_an_untouched_log_holds(place: Path) -> None:
    laid(place, LOG, ANCHOR)
    verdict = judged(place)
    assert verdict.holds, verdict
    assert (verdict.first, verdict.records, verdict.covered) == (0, len(LINES), len(LINES))
    assert verdict.segments == len(LOG) > 3
    assert calls(place) == [f"t{number}" for number in range(27)]


def test_truncation_at_every_byte_is_found_against_the_anchor_and_leaves_whole_records(place: Path) -> None:
    whole = SINGLE["log"]
    first = whole.index(b"\n") + 1
    for end in range(len(whole)):
        laid(place, {"log": whole[:end]}, SINGLE_ANCHOR)
        assert not judged(place).holds
        verdict = judged(place, anchor=False)
        if end < first:
            assert verdict.bad == 0
            continue
        assert verdict.holds, (end, verdict)
        assert verdict.records == whole[:end].count(b"\n")
        assert verdict.torn == end - (whole[:end].rindex(b"\n") + 1)


def test_a_log_cut_at_any_byte_goes_on_and_says_so(place: Path) -> None:
    whole = SINGLE["log"]
    for end in range(whole.index(b"\n") + 1, len(whole)):
        laid(place, {"log": whole[:end]})
        with opened(place, anchor=None, segment=100) as log:
            log.append(what="call", target="after")
        verdict = judged(place, anchor=False)
        assert verdict.holds, (end, verdict)
        assert not verdict.torn
        torn = whole[whole.rindex(b"\n", 0, end) + 1 : end]
        rows = [json.loads(line) for line in lines(files(place))]
        told = [(row["torn"], row["sha256"]) for row in rows if row.get("log") == "recovered"]
        assert told == ([(len(torn), sha256(torn).hexdigest())] if torn else [])
        if torn:
            assert (place / "log.torn").read_bytes() == torn + b"\n"
        assert calls(place)[-1] == "after"


def forged(at: int, *, signed: str) -> dict[str, bytes]:
    """The log with one record changed and every link after it made again, by one who has not the key."""
    link, number, out = START, 0, dict(LOG)
    for name, data in LOG.items():
        rows = []
        for line in data.splitlines():
            told = json.loads(line)
            del told["n"], told["hash"]
            if number == at:
                told["at_ms"] = 2
            if "log" in told:
                told = resigned(told, link, signed)
            row, link = line_of(number, told, link)
            rows.append(row)
            number += 1
        out[name] = b"".join(rows)
    return out


def resigned(told: dict[str, Any], link: bytes, how: str) -> dict[str, Any]:
    if "prev" in told:
        told["prev"] = link.hex()
    if how == "not at all":
        return {name: value for name, value in told.items() if name not in ("by", "sig")}
    return told


@settings(max_examples=80)
@given(st.integers(0, len(LINES) - 1), st.sampled_from(["as before", "not at all"]), st.booleans())
def test_a_forger_without_the_key_is_found_by_the_signatures_and_by_the_anchor(
    at: int, signed: str, anchor: bool
) -> None:
    with folder() as place:
        laid(place, forged(at, signed=signed), ANCHOR)
        verdict = judged(place, anchor=anchor, keys=not anchor)
    assert not verdict.holds
    assert verdict.bad is not None
    assert verdict.bad <= next(number for number in range(at, len(LINES)) if b'"log":' in LINES[number])


def test_only_trusted_keys_count(place: Path) -> None:
    laid(place, LOG)
    verdict = verify(place / "log", keys=[OTHER.public_key().public_bytes_raw().hex()])
    assert (verdict.bad, verdict.problem) == (0, "is not signed by a key that is trusted")


def test_a_log_without_checkpoints_where_they_must_be_does_not_hold(place: Path) -> None:
    row, link = begun(every=2)
    rows = [row]
    for number in (1, 2):
        row, link = line_of(number, {"at_ms": 1, "what": "call"}, link)
        rows.append(row)
    (place / "log").write_bytes(b"".join(rows))
    verdict = verify(place / "log")
    assert (verdict.bad, verdict.problem) == (2, "stands where a checkpoint must be")


ODD = st.sampled_from(
    ["open", "seal", "checkpoint", "retired", "odd", 3, None, [1], {"a": 1}, "00" * 32, True]
)


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from(["log", "at_ms", "id", "prev", "segment", "every", "through",
    "head", "sig", "by", "digest"]), ODD), max_size=4))  # fmt: skip
@example([{"log": "open", "id": [1], "segment": 1, "every": 2, "prev": "00" * 32, "sig": [1], "by": 3}])
def test_a_line_of_whatever_form_is_judged_not_stumbled_over(rows: list[dict[str, Any]]) -> None:
    link, out = START, []
    for number, fields in enumerate(rows):
        line, link = line_of(number, fields, link)
        out.append(line)
    with folder() as place:
        (place / "log").write_bytes(b"".join(out))
        assert not verify(place / "log", keys=[PUBLIC]).holds


class LogIsAList(RuleBasedStateMachine):
    """Appends by two writers, restarts, kills and retention, against a list of what was appended."""

    def __init__(self) -> None:
        super().__init__()
        self.scope = folder()
        self.place = self.scope.__enter__()
        self.model: list[str] = []
        self.writers = [self.open(), self.open()]

    def open(self) -> AuditLog:
        return opened(self.place, keep=2, fsync="record")

    @rule(which=st.integers(0, 1), times=st.integers(1, 12))
    def append(self, which: int, times: int) -> None:
        for _ in range(times):
            name = f"t{len(self.model)}"
            self.writers[which].append(what="call", target=name)
            self.model.append(name)

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        self.writers[which].close()
        self.writers[which] = self.open()

    @rule(which=st.integers(0, 1))
    def checkpoint(self, which: int) -> None:
        self.writers[which].checkpoint()

    @rule(length=st.integers(1, 150))
    def killed(self, length: int) -> None:
        """Somebody was killed in the middle of a line."""
        line, _ = line_of(len(self.model), {"at_ms": 1, "what": "call", "target": "never"}, START)
        with (self.place / "log").open("ab") as file:
            file.write(line[: min(length, len(line) - 1)])
        assert judged(self.place).torn
        self.writers[0].append(what="call", target=f"t{len(self.model)}")
        self.model.append(f"t{len(self.model)}")

    @invariant()
    def holds(self) -> None:
        verdict = judged(self.place)
        assert verdict.holds, verdict
        kept = calls(self.place)
        assert kept == self.model[len(self.model) - len(kept) :]
        assert len(kept) == len(self.model) or verdict.segments == 3

    def teardown(self) -> None:
        for writer in self.writers:
            writer.close()
        self.scope.__exit__(None, None, None)


TestLogIsAList = LogIsAList.TestCase
TestLogIsAList.settings = settings(max_examples=25, stateful_step_count=12)

APPEND = """
import sys
from orchestrator.telemetry import AuditLog
log = AuditLog(sys.argv[1], every=16, segment=200)
for number in range(int(sys.argv[3])):
    log.append(what="call", target=f"{sys.argv[2]}.{number}")
    print(number, flush=True)
log.close()
"""


def writer(place: Path, name: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", APPEND, str(place / "log"), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_and_threads_append_side_by_side(place: Path) -> None:
    processes = [writer(place, name, 150) for name in "ab"]
    with AuditLog(place / "log", every=16, segment=200) as log:

        def append(name: str) -> None:
            for number in range(150):
                log.append(what="call", target=f"{name}.{number}")

        threads = [threading.Thread(target=append, args=(name,)) for name in "cd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in processes:
            process.communicate()
    assert verify(place / "log").holds
    written = calls(place)
    for name in "abcd":
        assert [one for one in written if one.startswith(name)] == [f"{name}.{n}" for n in range(150)]


@pytest.mark.parametrize("after", [1, 37, 250])
def test_what_was_acknowledged_survives_kill_9(place: Path, after: int) -> None:
    process = writer(place, "a", 100_000)
    assert process.stdout is not None
    for _ in range(after):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    acknowledged = after + len(process.communicate()[0].splitlines())
    assert verify(place / "log").holds
    with AuditLog(place / "log") as log:
        log.append(what="call", target="after")
    assert verify(place / "log").holds
    written = calls(place)
    assert len(written) - 1 in (acknowledged, acknowledged + 1)
    assert written == [*(f"a.{n}" for n in range(len(written) - 1)), "after"]


def test_a_forked_child_appends_to_the_same_log(place: Path) -> None:
    log = opened(place)
    log.append(what="call", target="parent")
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            log.append(what="call", target="child")
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    log.append(what="call", target="parent")
    log.close()
    log.close()
    assert judged(place).holds
    assert calls(place) == ["parent", "child", "parent"]


FULL = """
import resource, sys
from orchestrator.telemetry import AuditLog
log = AuditLog(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
for number in range(100):
    try:
        log.append(what="call", target=f"t{number}")
    except OSError as error:
        sys.exit(error.errno)
"""


def test_a_full_disk_is_an_error_and_leaves_whole_records(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(place / "log")], check=False)
    assert done.returncode != 0
    verdict = verify(place / "log")
    assert verdict.holds
    assert (verdict.torn, verdict.records > 3) == (0, True)


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_line_that_is_written_in_part_is_taken_back(
    place: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, real = opened(place), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, line, at: real(file, line[:room], at))
    with pytest.raises(OSError, match="No space left"):
        log.append(what="call", target="lost")
    monkeypatch.undo()
    assert not judged(place).torn
    log.append(what="call", target="after")
    log.close()
    assert judged(place).holds
    assert calls(place) == ["after"]


class Killed(BaseException):
    """The end of a process, at one of its calls to the system."""


CALLS = [("link", os), ("fsync", os), ("pwrite", os), ("replace", Path), ("unlink", Path), ("ftruncate", os)]


@settings(max_examples=120)
@given(st.sampled_from(CALLS), st.integers(0, 12), st.booleans(), st.integers(0, 20), st.booleans())
def test_killed_at_any_call_to_the_system_the_log_goes_on(
    call: tuple[str, Any], times: int, done: bool, start: int, same: bool
) -> None:
    """`done`: the call still takes effect.  `same`: it was only an interrupt, and the same object goes on."""
    name, home = call
    real: Callable[..., Any] = getattr(home, name)
    left = [times]

    def deadly(*args: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            return real(*args, **options)
        if done:
            real(*args, **options)
        raise Killed

    with folder() as place, pytest.MonkeyPatch.context() as patch:
        with opened(place, keep=1) as log:
            for number in range(start):
                log.append(what="call", target=f"t{number}")
        log, sure = opened(place, keep=1), start
        patch.setattr(home, name, deadly)
        with suppress(Killed):
            for number in range(start, start + 15):
                log.append(what="call", target=f"t{number}")
                sure += 1
        patch.undo()
        assert judged(place).holds
        with log if same else opened(place, keep=1) as after:
            after.append(what="call", target="after")
        log.close()
        verdict = judged(place)
        assert verdict.holds, verdict
        kept = calls(place)
        assert kept[-1] == "after"
        last = [int(target[1:]) for target in kept[:-1]]
        assert last == list(range(last[0], last[-1] + 1)) if last else sure <= 1
        assert not last or last[-1] in (sure - 1, sure)


def test_segments_are_retired_only_as_the_log_says(place: Path) -> None:
    written(place, 60, keep=2)
    names = list(files(place))
    assert len(names) == 3
    verdict = judged(place)
    assert verdict.holds
    assert verdict.first > 0
    (place / names[0]).unlink()
    verdict = judged(place, anchor=False)
    assert (verdict.bad, verdict.holds) == (0, False)
    assert "retired none of them" in verdict.problem


def test_a_log_that_begins_after_all_that_the_anchor_knows_is_another(place: Path) -> None:
    written(place, 60, keep=0)
    first = (place / "anchor").read_bytes().split(b"\n")[0] + b"\n"
    (place / "anchor").write_bytes(first)
    assert "ends at record 0" in judged(place).problem


def damage(place: Path, change: Callable[[bytes], bytes]) -> str:
    (place / "log").write_bytes(change((place / "log").read_bytes()))
    with pytest.raises(AuditError) as refused:
        opened(place)
    return str(refused.value)


def test_a_damaged_log_is_not_continued(place: Path) -> None:
    written(place)
    kept = files(place)
    end = len(kept["log"])
    assert "last record was changed" in damage(place, lambda log: log[:-70] + b"x" + log[-69:])
    laid(place, kept)
    assert "had more" in damage(place, lambda log: log[: log.rindex(b"\n", 0, end - 1) + 1])
    laid(place, kept)
    assert "last record was changed" in damage(
        place, lambda log: log[: log.rindex(b"\n", 0, end - 1) + 1] + b"x\n"
    )
    assert "does not begin as" in damage(place, lambda log: b"")
    assert "does not begin as" in damage(place, lambda log: b"[1]\n")
    (place / "log").unlink()
    with pytest.raises(AuditError, match="it is gone"):
        opened(place)
    laid(place, STRANGE)
    with pytest.raises(AuditError, match="knows another log"):
        opened(place)


def test_a_log_that_is_removed_or_cut_while_it_is_written_is_not_continued(place: Path) -> None:
    log = opened(place, segment=100)
    for number in range(6):
        log.append(what="call", target=f"t{number}")
    whole = (place / "log").read_bytes()
    (place / "log").write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    with pytest.raises(AuditError, match="had more"):
        log.append(what="call")
    (place / "log").unlink()
    with pytest.raises(AuditError, match="it is gone"):
        log.append(what="call")


def test_sealing_overwrites_nothing(place: Path) -> None:
    log = opened(place)
    for number in range(5):
        log.append(what="call", target=f"t{number}")
    (place / "log.000001").write_text("somebody's")
    with pytest.raises(AuditError, match="is another file"):
        log.append(what="call", target="t5")
    (place / "log.000001").unlink()
    log.append(what="call", target="after")
    log.close()
    assert judged(place).holds


def begun(every: int = 9) -> tuple[bytes, bytes]:
    """The first record of a log, and its link."""
    about = {"log": "open", "at_ms": 1, "id": "x", "segment": 1, "every": every, "prev": START.hex()}
    return line_of(0, about, START)


def test_a_file_with_one_damaged_record_or_none_is_not_continued(place: Path) -> None:
    row, _ = begun()
    (place / "log").write_bytes(row.replace(b'"x"', b'"y"'))
    assert "last record was changed" in damage(place, lambda log: log)
    assert "has no whole record" in damage(place, lambda log: log[:-1])


LAST: list[tuple[dict[str, Any], str]] = [
    ({"log": "odd"}, "is not what may stand here"),
    ({"log": "open"}, "is not what may stand here"),
    ({"log": "retired"}, "does not say what was retired"),
    ({"log": "retired", "through": -1, "head": "00"}, "is not the one that was retired"),
    ({"log": "seal"}, ""),
]


@pytest.mark.parametrize(("fields", "problem"), LAST)
def test_a_record_about_the_log_says_what_it_must(place: Path, fields: dict[str, Any], problem: str) -> None:
    row, link = begun()
    (place / "log").write_bytes(row + line_of(1, fields, link)[0])
    assert verify(place / "log").problem == problem


SECOND: list[tuple[dict[str, Any], str]] = [
    ({"at_ms": 1}, "stands where a segment must begin"),
    ({"log": "checkpoint"}, "is not what may stand here"),
    ({"log": "open", "id": "y", "segment": 2}, "begins a segment of another log, or not the next one"),
    ({"log": "open", "id": "x", "segment": 3}, "begins a segment of another log, or not the next one"),
    ({"log": "open", "id": "x", "segment": 2}, "begins a segment that does not follow the one before"),
]


@pytest.mark.parametrize(("fields", "problem"), SECOND)
def test_after_a_seal_the_next_segment_must_begin(place: Path, fields: dict[str, Any], problem: str) -> None:
    row, link = begun()
    seal, link = line_of(1, {"log": "seal"}, link)
    (place / "log.000001").write_bytes(row + seal)
    (place / "log").write_bytes(line_of(2, fields, link)[0])
    verdict = verify(place / "log")
    assert (verdict.bad, verdict.problem) == (2, problem)
    (place / "log").write_bytes(b"")
    assert verify(place / "log").problem == "is missing: nothing here is a whole record"


def test_a_beginning_follows_nothing(place: Path) -> None:
    about = {"log": "open", "at_ms": 1, "id": "x", "segment": 1, "every": 9, "prev": PUBLIC}
    (place / "log").write_bytes(line_of(0, about, bytes.fromhex(PUBLIC))[0])
    assert verify(place / "log").problem == "follows another record, which none precedes"


def test_what_the_anchor_knows_cannot_become_an_ordinary_record(place: Path) -> None:
    row, link = begun()
    (place / "log").write_bytes(row + line_of(1, {"at_ms": 1}, link)[0])
    (place / "anchor").write_text(json.dumps({"log": "x", "n": 1, "hash": "00"}) + "\n")
    verdict = verify(place / "log", anchor=place / "anchor")
    assert (verdict.bad, verdict.problem) == (1, "is not the one that the anchor knows")


def test_an_export_of_an_export_is_the_same(place: Path) -> None:
    written(place)
    for source, target in (("log", "one"), ("one", "two")):
        with (place / target).open("wb") as out:
            export(place / source, out, request="nobody")
    assert (place / "one").read_bytes() == (place / "two").read_bytes()


def test_an_unfinished_anchor_is_mended_and_a_wrong_one_refused(place: Path) -> None:
    written(place)
    with (place / "anchor").open("ab") as file:
        file.write(b'{"log":')
    assert judged(place).holds
    with opened(place) as log:
        log.append(what="call", target="after")
    assert judged(place).holds
    (place / "anchor").write_bytes(b'{"n": 1}\n')
    with pytest.raises(AuditError, match="anchor:1: this is no anchor"):
        judged(place)


PERSONAL = "Ann O'Hara ann@example.com"


@settings(max_examples=60)
@given(
    st.sets(st.sampled_from(["what", "target", "guard", "code", "request", "data"])),
    st.sampled_from(["", KEY]),
)
def test_an_event_leaves_no_content_and_no_person_in_the_log(where: set[str], key: str) -> None:
    def said(name: str, usual: str) -> str:
        return PERSONAL if name in where else usual

    run = Run(request_id=said("request", "r1"), session=PERSONAL, user=PERSONAL)
    finding = Finding(code=said("code", "pii.email"), message=PERSONAL, fix=PERSONAL)
    event = Event(
        what=said("what", "found"),
        boundary="model",
        target=said("target", "assistant"),
        run=run,
        guard=said("guard", "mask"),
        findings=(finding, finding),
        data={"then": said("data", "block"), "text": PERSONAL},
    )
    with folder() as place:
        with opened(place, key=key) as log:
            log.event(event, "0" * 64)
        text = b"".join(path.read_bytes() for path in place.iterdir()).decode()
        told = json.loads(lines(files(place))[1])
    assert not any(word in text for word in PERSONAL.split())
    assert told["outcome"] == ("other" if "data" in where else "block")
    assert len(told["codes"]) == 1
    assert (told["session"] == "") == (key == "")
    assert told["policy"] == "0" * 64


def test_the_same_person_has_the_same_digest_under_the_same_key_only(place: Path) -> None:
    digests = []
    for name, key in (("a", KEY), ("b", KEY), ("c", KEY * 2)):
        with AuditLog(place / name, key=key) as log:
            log.event(Event(what="call", boundary="tool", target="t", run=Run(session="s", user="s")))
        told = json.loads((place / name).read_bytes().splitlines()[1])
        digests.append((told["session"], told["user"]))
    assert digests[0] == digests[1] != digests[2]
    assert digests[0][0] != digests[0][1]


def test_calls_denials_and_the_policy_are_recorded_and_the_sink_still_hears(place: Path) -> None:
    heard: list[Event] = []
    policy = Policy.of(tool=[Permit(tools=("a.*",), roles=frozenset({"agent"}))])
    with opened(place, segment=100) as log:
        gate = Orchestrator(policy, world=log.watch(policy, World(sink=heard.append)))
        tool = gate.tool("a.b")(lambda: "done")
        with gate.session(user="ann", session="s", request_id="r1", roles=["agent"]):
            tool()
        with gate.session(user="bob", request_id="r2"), pytest.raises(Denied):
            tool()
    told = [json.loads(line) for line in lines(files(place))]
    shown = [(each["what"], each["outcome"], each.get("request")) for each in told if "log" not in each]
    assert shown == [("policy", "set", None), ("call", "ok", "r1"), ("ended", "denied", "r2")]
    assert [event.what for event in heard if event.what != "session"] == ["call", "crossed", "crossed"]


def test_a_block_says_by_which_findings(place: Path) -> None:
    def blocking(call: Call) -> Any:
        raise Blocked((Finding(code="injection", message="no"),), "call")
        yield

    policy = Policy.of(model=[blocking])
    with opened(place) as log:
        ask = Orchestrator(policy, world=log.watch(policy)).model("m")(lambda prompt: prompt)
        with pytest.raises(Blocked):
            ask("hi")
    told = json.loads(lines(files(place))[2])
    assert (told["outcome"], told["codes"]) == ("blocked", ["injection"])


QUESTION = Review("may it?", Call(kind="tool", target="pay", parts=(Part(text=PERSONAL),), run=Run(user="u")))


def test_human_decisions_are_recorded_sync_and_async(place: Path) -> None:
    import asyncio

    decision = Decision("reject", by="ann@example.com", reason=PERSONAL)

    async def later(question: Review) -> Decision:
        return decision

    with opened(place, segment=100) as log:
        assert log.watch(Policy(), World(reviewer=lambda question: decision)).reviewer(QUESTION) == decision
        coming: Any = log.watch(Policy(), World(reviewer=later)).reviewer(QUESTION)
        assert asyncio.run(coming) == decision
    told = [json.loads(line) for line in lines(files(place))]
    seen = [(each["outcome"], each["target"]) for each in told if each.get("what") == "review"]
    assert seen == [("reject", "pay")] * 2
    assert "ann" not in (place / "log").read_text()


def test_without_evidence_there_is_no_call(place: Path) -> None:
    policy = Policy()
    log = opened(place)
    ask = Orchestrator(policy, world=log.watch(policy)).model("m")(lambda prompt: prompt)
    log.close()
    with pytest.raises(GuardFailed, match="audit"):
        ask("hi")
    with pytest.raises(GuardFailed, match="audit"):
        log.decision(QUESTION, Decision("approve"))
    with pytest.raises(AuditError, match="is closed"):
        log.append(what="call")


@settings(max_examples=150)
@given(st.sampled_from(["", "r0", "r1", "nobody"]), st.data())
def test_an_export_proves_itself_and_shows_only_the_request(request: str, data: st.DataObject) -> None:
    with folder() as place:
        with opened(place, every=5, segment=12) as log:
            for number in range(20):
                log.append(what="call", request=f"r{number % 3}", target=f"t{number}")
        out = place / "export"
        with out.open("wb") as file:
            export(place / "log", file, request=request)
        verdict = verify(out, anchor=place / "anchor", keys=[PUBLIC])
        assert verdict == judged(place)
        whole = out.read_bytes()
        told = [json.loads(line) for line in whole.splitlines()]
        shown = [each["target"] for each in told if "target" in each]
        assert shown == [f"t{n}" for n in range(20) if request in ("", f"r{n % 3}")]
        changed = of_bytes(data.draw(st.sampled_from(["flip", "put", "cut", "truncate"])), whole, data)
        if changed != whole:
            out.write_bytes(changed)
            assert not verify(out, anchor=place / "anchor", keys=[PUBLIC]).holds


def test_a_broken_log_is_not_exported(place: Path) -> None:
    laid(place, {**LOG, "log": LOG["log"].replace(b"t2", b"t9")})
    with pytest.raises(AuditError, match="record"), (place / "export").open("wb") as file:
        export(place / "log", file)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"key": "short"}, "at least 16"),
        ({"every": 1}, "at least 2"),
        ({"segment": 1}, "at least 2"),
        ({"keep": -1}, "at least 0"),
    ],
)
def test_wrong_settings_are_refused(place: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        AuditLog(place / "log", **settings)


def test_a_record_has_no_fields_of_the_log_itself(place: Path) -> None:
    with opened(place) as log, pytest.raises(ValueError, match="named at_ms, digest, hash, log, n"):
        log.append(what="call", log="seal")


def pem(place: Path) -> tuple[Path, Path]:
    private, public = place / "audit.key", place / "audit.pub"
    private.write_bytes(SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_keys_are_read_from_pem_files_and_nothing_else(place: Path) -> None:
    private, public = pem(place)
    assert private_key(private).public_key() == SIGNER.public_key()
    assert public_key(public) == PUBLIC
    with pytest.raises(AuditError, match="holds no Ed25519 public key"):
        public_key(private)
    with pytest.raises(AuditError, match="holds no unencrypted Ed25519 private key"):
        private_key(public)


def wardline(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["audit", *map(str, arguments)])


def test_the_commands_verify_and_export(place: Path) -> None:
    _, public = pem(place)
    laid(place, LOG, ANCHOR)
    checked = wardline("verify", place / "log", "--anchor", place / "anchor", "--public-key", public)
    assert checked.exit_code == 0, checked.output
    assert f"ok, records 0 to {len(LINES) - 1} in {len(LOG)} segments" in checked.output
    exported = wardline("export", place / "log", "-o", place / "out")
    assert exported.exit_code == 0
    assert wardline("verify", place / "out").exit_code == 0
    assert wardline("export", place / "log").output == (place / "out").read_text()
    assert "is there already" in wardline("export", place / "log", "-o", place / "out").stderr


def test_the_commands_name_the_first_bad_record(place: Path) -> None:
    _, public = pem(place)
    laid(place, {**LOG, "log": LOG["log"].replace(b"t2", b"t9")}, ANCHOR)
    checked = wardline("verify", place / "log")
    assert checked.exit_code == 1
    assert "was changed" in checked.stderr
    told = json.loads(wardline("verify", place / "log", "--json").stdout)
    assert (told["holds"], told["file"]) == (False, str(place / "log"))
    assert f"record {told['bad']} " in checked.stderr
    assert "record" in wardline("export", place / "log").stderr
    assert wardline("verify", place / "log", "--public-key", place / "anchor").exit_code == 1
    laid(place, {"log": SINGLE["log"][:-5]})
    assert "unfinished record" in wardline("verify", place / "log", "--public-key", public).stderr


def test_the_front_door_opens_on_first_use() -> None:
    names = ("AuditError", "AuditLog", "Verdict", "export", "verify")
    assert all(getattr(front_door, name) is getattr(audit, name) for name in names)
    assert front_door.__all__ == sorted(front_door.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        front_door.nothing
