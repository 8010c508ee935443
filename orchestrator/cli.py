"""wardline: one command a function, each a thin call into the rooms.  Errors are one clear line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import click

from guards._errors import GuardError
from orchestrator.commands import Commands

PROFILES = ["none", "calm", "rough", "storm"]
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
POLICY = click.option(
    "-p",
    "--policy",
    default="default",
    show_default=True,
    help="A policy file, or a shipped one's name.",
)
FAULTS = click.option(
    "--faults",
    type=click.Choice(PROFILES),
    default="calm",
    show_default=True,
    help="How often the simulated provider misbehaves.",
)
KEPT = click.option(
    "--traces", type=click.Path(path_type=Path, dir_okay=False), help="A trace store for `wardline why`."
)
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Makes a run repeatable.")


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(package_name="wardline", message="%(prog)s %(version)s")
def cli() -> None:
    """Guardrails and validation middleware for programs that call language models and tools."""


@cli.command()
@click.argument("policies", nargs=-1, required=True)
def check(policies: Sequence[str]) -> None:
    """Check policies: the file, the order of its guards, and its own examples.

    Exits with 1 if anything is wrong.

    \b
    Example:
      wardline check policy.yaml
    """
    results = [_checked(policy) for policy in policies]
    sys.exit(0 if all(results) else 1)


def _checked(name: str) -> bool:
    from orchestrator.testing._examples import failures
    from policies import lint, load

    try:
        policy = load(name)
    except GuardError as error:
        click.echo(f"error: {error}", err=True)
        return False
    advice = lint(policy)
    for each in advice:
        told = f"{each.level}: {each.file or name}:{each.line}: {each.message}: {each.why}"
        click.echo(told, err=each.level == "error")
    failed = list(failures(policy))
    for example, problem in failed:
        click.echo(f"error: {example.file}:{example.line}: this example does not hold: {problem}", err=True)
    wrong = len(failed) + sum(each.level == "error" for each in advice)
    count = len(policy.examples)
    click.echo(f"{name}: {'ok' if not wrong else f'{wrong} wrong'}, {count} example{'s' * (count != 1)}")
    return not wrong


@cli.command()
@click.argument("policy")
@click.option("--target", help="Show only the guards that apply to this model or tool.")
def explain(policy: str, target: str | None) -> None:
    """Draw what happens to a call on its way out and back.

    \b
    Example:
      wardline explain policy.yaml --target payments.refund
    """
    from policies import explain as picture
    from policies import load

    click.echo(picture(load(policy), target=target))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors.

    \b
    Example:
      wardline schema > policy.schema.json
    """
    from policies import schema as made

    click.echo(json.dumps(made(), indent=2))


@cli.command()
@click.argument("path", default="policy.yaml", type=click.Path(dir_okay=False, path_type=Path))
def new(path: Path) -> None:
    """Write a commented starter policy.

    \b
    Example:
      wardline new policy.yaml
    """
    from policies import starter

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter())
    except FileExistsError:
        raise click.ClickException(f"{path} is there already; name another file") from None
    click.echo(f"wrote {path}; check it with: wardline check {path}")


@cli.command()
@POLICY
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: standard output.")
@click.option("--target", help="What the policy calls the model; default: its only one, else `model`.")
@click.option("--system", help="A system message to put before each text.")
@click.option("--upstream", help="An OpenAI-compatible server's base URL; default: the simulated provider.")
@click.option("--model", default="sim", show_default=True, help="The model's name at the upstream.")
@click.option("--api-key-env", help="The environment variable that holds the upstream's key.")
@click.option("--concurrency", type=click.IntRange(1, 1_000), default=8, show_default=True)
@click.option("--resume", is_flag=True, help="Skip the ids that the output file holds already.")
@KEPT
@FAULTS
@SEED
def run(policy: str, inputs: Sequence[Path], **options: Any) -> None:
    """Send real text through a guarded model; one JSON line a record comes out.

    Inputs are text files, or JSON lines with `text` or `messages`; without any, standard input is read.
    Exits with 1 if a record failed, 2 on bad input, 130 when interrupted.

    \b
    Examples:
      wardline run -p default letter.txt
      wardline run -p policy.yaml tickets.jsonl -o out.jsonl --resume
      wardline run -p policy.yaml --upstream http://127.0.0.1:8080/v1 --model llama tickets.jsonl
    """
    from orchestrator.batch import run_files

    sys.exit(run_files(policy, inputs, **options))


TEXT = click.argument("file", type=click.File(encoding="utf-8"), default="-")
VAULT = click.option(
    "--vault", type=click.Path(path_type=Path), help="Where what was masked is kept, encrypted."
)
KEY = click.option(
    "--key-env", default="WARDLINE_KEY", show_default=True, help="The variable with the vault's key."
)


@cli.command()
@TEXT
@POLICY
@VAULT
@KEY
@click.option("--explain", is_flag=True, help="A table of what was found instead of the text.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def mask(file: IO[str], policy: str, vault: Path | None, key_env: str, explain: bool, as_json: bool) -> None:
    """Mask the personal data in a text, as the policy's mask would on its way to a model.

    \b
    Examples:
      wardline mask letter.txt
      wardline mask letter.txt --explain
      WARDLINE_KEY=0123456789abcdef wardline mask letter.txt --vault letter.vault > masked.txt
    """
    from orchestrator import personal

    guard, text = personal.mask_of(policy), file.read()
    if explain or as_json:
        rows = personal.explained(guard, text)
        click.echo(json.dumps(rows) if as_json else _table(rows), nl=bool(rows) or as_json)
        return
    done = personal.mask_text(guard, text)
    if vault is not None:
        personal.save(done.vault, vault, _secret(key_env))
    click.echo(done.text, nl=False)


@cli.command()
@TEXT
@click.option(
    "--vault", type=click.Path(path_type=Path, exists=True), required=True, help="Written by `mask`."
)
@KEY
def unmask(file: IO[str], vault: Path, key_env: str) -> None:
    """Put back what `wardline mask --vault` took out.

    \b
    Example:
      WARDLINE_KEY=0123456789abcdef wardline unmask answer.txt --vault letter.vault
    """
    from orchestrator import personal

    try:
        opened = personal.restored(vault, _secret(key_env))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(opened.unmask(file.read()), nl=False)


@cli.command()
@click.option("--store", type=click.Path(path_type=Path, exists=True), required=True, help="An SQLite store.")
@click.option("--session", help="Whose masked values are forgotten.")
@click.option("--tenant", help="The same for a tenant.")
def forget(store: Path, session: str | None, tenant: str | None) -> None:
    """Forget the personal data that a store keeps for a session or a tenant.

    \b
    Example:
      wardline forget --store state.db --session s-17
    """
    import sqlite3

    from guards.mask import vault_key
    from orchestrator.stores.sqlite import Sqlite

    named = {"session": session, "tenant": tenant}
    keys = [vault_key(scope, whose) for scope, whose in named.items() if whose]
    if not keys:
        raise click.UsageError("name --session or --tenant")
    try:
        opened = Sqlite(store)
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{store}: {error}") from None
    known = [opened.forget(key) for key in keys]
    opened.close()
    click.echo("forgotten" if any(known) else "nothing was kept")


@cli.group()
def breaker() -> None:
    """See and reset the breakers that an SQLite store keeps.

    \b
    Example:
      wardline breaker list --store state.db
    """


STORE = click.option(
    "--store", type=click.Path(path_type=Path, exists=True), required=True, help="An SQLite store."
)
STORE_KEY = click.option("--key-env", default="", help="The variable with the store's key, if it has one.")


@breaker.command("list")
@STORE
@STORE_KEY
def breaker_list(store: Path, key_env: str) -> None:
    """Each breaker's target, phase, failures in a row, and seconds until it lets calls through.

    \b
    Example:
      wardline breaker list --store state.db
    """
    from guards.breaker import PREFIX, told
    from orchestrator import RealClock

    opened, now = _store(store, key_env), RealClock().now()
    for key in opened.keys(PREFIX):
        row = opened.update(key, lambda state: (state, told(state, now)))
        name = key.removeprefix(PREFIX)
        click.echo(f"{name:<40}{row['phase']:<10}{row['failures']:>4} failures{row['seconds']:>8.1f} s")
    opened.close()


@breaker.command("reset")
@STORE
@STORE_KEY
@click.option("--target", help="Only this model's or tool's; default: all.")
def breaker_reset(store: Path, key_env: str, target: str | None) -> None:
    """Close breakers at once.

    \b
    Example:
      wardline breaker reset --store state.db --target gpt-5
    """
    from guards.breaker import PREFIX, reset

    opened = _store(store, key_env)
    meant = [key for key in opened.keys(PREFIX) if target in (None, key.split(":", 2)[2])]
    closed = [key for key in meant if opened.update(key, reset)]
    opened.close()
    click.echo("\n".join(f"closed {key.removeprefix(PREFIX)}" for key in closed) or "nothing was open")


def _store(path: Path, key_env: str) -> Any:
    import sqlite3

    from orchestrator.stores.sqlite import Sqlite

    try:
        return Sqlite(path, _secret(key_env) if key_env else "")
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{path}: {error}") from None


@cli.group()
def audit() -> None:
    """Prove that an audit log is as it was written, and hand it to an auditor.

    \b
    Example:
      wardline audit verify audit.jsonl --anchor /mnt/other/audit.anchor --public-key audit.pub
    """


AUDIT = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@audit.command("verify")
@AUDIT
@click.option(
    "--anchor", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What is known elsewhere."
)
@click.option(
    "--public-key",
    "keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A PEM file; only what is signed by one of these keys is believed.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def audit_verify(file: Path, anchor: Path | None, keys: Sequence[Path], as_json: bool) -> None:
    """Find any edit, removal, reordering, truncation or splice of a log, its segments, or an export.

    Exits with 1 if there is one, and names the first bad record.

    \b
    Examples:
      wardline audit verify audit.jsonl
      wardline audit verify audit.jsonl --anchor /mnt/other/audit.anchor --public-key audit.pub
    """
    from dataclasses import asdict

    from orchestrator.telemetry.audit import AuditError, public_key, verify

    try:
        verdict = verify(file, anchor=anchor, keys={public_key(each) for each in keys} if keys else None)
    except AuditError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({**asdict(verdict), "holds": verdict.holds}))
    elif verdict.holds:
        click.echo(_sound(file, verdict))
    else:
        click.echo(f"error: {verdict.file}: record {verdict.bad} {verdict.problem}", err=True)
    if verdict.torn:
        torn = f"{verdict.torn} bytes of an unfinished record at the end: a writer was killed, or it was cut"
        click.echo(f"warning: {file}: {torn}", err=True)
    sys.exit(0 if verdict.holds else 1)


def _sound(file: Path, verdict: Any) -> str:
    segments = f"{verdict.segments} segment{'s' * (verdict.segments != 1)}"
    last = verdict.first + verdict.records - 1
    numbers = f"records {verdict.first} to {last} in {segments}"
    return f"{file}: ok, {numbers}, {verdict.covered} of {verdict.records} under a signature or anchor"


@audit.command("export")
@AUDIT
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: standard output.")
@click.option("--request", default="", help="Show only this request's records, and digests of the others.")
def audit_export(file: Path, output: Path | None, request: str) -> None:
    """Write a log as one file of JSON lines that proves itself: `wardline audit verify` takes it.

    \b
    Examples:
      wardline audit export audit.jsonl -o for-the-auditor.jsonl
      wardline audit export audit.jsonl --request 8f14e45fceea167a -o one-request.jsonl
    """
    from orchestrator.telemetry.audit import AuditError, export

    try:
        if output is None:
            export(file, sys.stdout.buffer, request=request)
        else:
            with output.open("xb") as out:
                export(file, out, request=request)
    except AuditError as error:
        raise click.ClickException(str(error)) from None
    except FileExistsError:
        raise click.ClickException(f"{output} is there already; name another file") from None


@cli.command()
@TEXT
@click.option(
    "--schema",
    "schema_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON Schema; without it, any value.",
)
@click.option("--explain", is_flag=True, help="A table of the changes and candidates instead of the value.")
@click.option(
    "--lossy", is_flag=True, help="Take the likeliest where the text has several meanings or lost data."
)
@click.option("--cut", is_flag=True, help="Keep what is whole of a text that ends early.")
@click.option("--coerce", type=click.Choice(["exact", "safe", "eager"]), default="safe", show_default=True)
def parse(
    file: IO[str], schema_file: Path | None, explain: bool, lossy: bool, cut: bool, coerce: Any
) -> None:
    """Read the value that a model's text holds, whatever stands around it or is broken in it.

    Exits with 1 if there is none that is not a guess.

    \b
    Examples:
      wardline parse --schema answer.json < reply.txt
      wardline parse --schema answer.json --explain reply.txt
    """
    from guards import ParseError
    from guards import parse as read

    try:
        schema = None if schema_file is None else json.loads(schema_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{schema_file} is not JSON: {error}") from None
    try:
        parsed = read(file.read(), schema, lossy=lossy, cut=cut, coerce=coerce)
    except ParseError as error:
        if explain and error.candidates:
            click.echo(_candidates(error.candidates))
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if explain:
        click.echo(_changes(parsed.changes))
        click.echo(_candidates(parsed.candidates))
        click.echo(f"confidence {parsed.confidence:.3f}, {'lossless' if parsed.lossless else 'not lossless'}")
        return
    click.echo(json.dumps(parsed.plain, ensure_ascii=False, indent=2))


def _changes(changes: Sequence[Any]) -> str:
    lines = [f"{'change':<20}{'risk':>6}{'start':>8}{'end':>8}  path"]
    lines += [f"{c.kind:<20}{c.risk:>6.2f}{c.start:>8}{c.end:>8}  {c.path}" for c in changes]
    return "\n".join(lines)


def _candidates(candidates: Sequence[Any]) -> str:
    lines = [f"{'candidate':<20}{'fits':>6}{'start':>8}{'end':>8}  lost, invented, lossy, edits"]
    for each in candidates:
        fits = "taken" if each.chosen else "yes" if each.fits else "no"
        cost = ", ".join(map(str, each.price))
        lines.append(f"{each.format:<20}{fits:>6}{each.start:>8}{each.end:>8}  {cost}")
    return "\n".join(lines)


def _secret(name: str) -> str:
    import os

    key = os.environ.get(name, "")
    if len(key.encode()) not in (16, 24, 32):
        problem = f"{name} must hold a key of 16, 24 or 32 bytes; it holds {len(key.encode())}"
        raise click.ClickException(problem)
    return key


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'entity':<20}{'score':>6}{'start':>8}{'end':>8}  stands as"] if rows else []
    lines += [f"{r['entity']:<20}{r['score']:>6}{r['start']:>8}{r['end']:>8}  {r['stands']}" for r in rows]
    return "\n".join(lines)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8089, show_default=True)
@FAULTS
@SEED
@click.option("--plan", type=click.Path(path_type=Path, exists=True), help="Answer by a plan of `chaos`.")
@click.option(
    "--time-scale",
    type=click.FloatRange(0.0),
    default=0.0,
    show_default=True,
    help="How long a second of the simulated server takes; 0 answers at once.",
)
def sim(host: str, port: int, faults: str, seed: int, plan: Path | None, time_scale: float) -> None:
    """Serve the simulated provider: OpenAI chat completions, with streaming and faults.

    \b
    Examples:
      wardline sim --port 8089 --faults rough --seed 7
      wardline sim --plan chaos/bounded.json
    """
    from orchestrator.sim import Provider
    from orchestrator.sim.server import serve

    provider: Any = Provider(faults=faults, seed=seed) if plan is None else _planned(plan)
    how = f"faults {faults}, seed {seed}" if plan is None else f"by the plan {plan}"
    serving = serve(provider, host=host, port=port, time_scale=time_scale)
    with suppress(KeyboardInterrupt), serving as server:
        click.echo(f"simulated provider at {server.url}/v1, {how}; Ctrl-C stops it")
        server.wait()


def _planned(file: Path) -> Any:
    from orchestrator.testing._wire import Planned

    return Planned(_plan(file))


def _plan(file: Path) -> Any:
    from orchestrator.testing._plan import Plan

    try:
        return Plan.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from None


@cli.command()
@click.argument("policy")
@click.option("--plans", type=click.IntRange(1), default=2_000, show_default=True, help="How many to try.")
@SEED
@click.option("--replay", type=click.Path(path_type=Path, exists=True), help="Play one saved plan instead.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    default="chaos",
    show_default=True,
    help="The folder that counterexamples are written to.",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with charts too.")
def chaos(policy: str, plans: int, seed: int, replay: Path | None, save: Path, html: Path | None) -> None:
    """Try fault plans on a policy: which guarantees hold, and the smallest plan that breaks one.

    Models and tools are played, in virtual time; nothing is called. Exits with 1 on a counterexample.

    \b
    Examples:
      wardline chaos policy.yaml
      wardline chaos policy.yaml --plans 20000 --html chaos.html
      wardline chaos policy.yaml --replay chaos/no-leak.json
    """
    try:
        from orchestrator.testing import _chaos, _report
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed; pip install 'wardline[testing]'"
        ) from None
    if replay is not None:
        sys.exit(_replayed(policy, replay))
    with click.progressbar(length=plans, label="plans", file=sys.stderr) as bar:
        report = _chaos.chaos(policy, plans, seed=seed, progress=lambda done: bar.update(1))
    saved = {}
    for verdict in report.broken:
        save.mkdir(parents=True, exist_ok=True)
        file = save / f"{verdict.guarantee.name.replace(' ', '-')}.json"
        file.write_text(verdict.plan.dumps() if verdict.plan else "", encoding="utf-8")
        saved[verdict.guarantee.name] = str(file)
    if html is not None:
        html.write_text(_report.page(report), encoding="utf-8")
    click.echo(_report.table(report, saved))
    sys.exit(1 if report.broken else 0)


def _replayed(policy: str, file: Path) -> int:
    from orchestrator.testing._guarantees import judge
    from orchestrator.testing._rehearsal import Rehearsal, how_it_ended

    plan = _plan(file)
    rehearsal = Rehearsal(policy)
    played = rehearsal.play(plan)
    for ask, outcome in played:
        how = how_it_ended(outcome)
        after = f"after {how['attempts']} attempts, {how['seconds']:g} s"
        click.echo(f"{ask.kind} {ask.target}: {how['ended']} {after}")
    broken = judge(rehearsal, played)
    for name, told in broken:
        click.echo(f"BROKEN {name}: {told}")
    return 1 if broken else 0


@cli.command()
@click.option("--documents", type=click.IntRange(1), default=120, show_default=True)
@click.option("--faults", type=click.Choice(PROFILES), default="rough", show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@KEPT
def demo(documents: int, faults: str, seed: int, traces: Path | None) -> None:
    """Run the logistics document agent, unguarded and guarded, side by side.

    \b
    Example:
      wardline demo --documents 120 --faults rough --seed 7
    """
    from orchestrator.demo import main as told

    sys.exit(told(documents=documents, faults=faults, seed=seed, traces=traces))


def main() -> None:
    """The console script: whatever goes wrong is told in one line."""
    try:
        cli.main(prog_name="wardline")
    except GuardError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except UnicodeDecodeError as error:
        click.echo(f"error: the input is not UTF-8 text, from byte {error.start} on", err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"error: {error.filename or 'input or output'}: {error.strerror}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
