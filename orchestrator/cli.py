"""wardline: one command a function, each a thin call into the rooms.  Errors are one clear line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from guards._errors import GuardError

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
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Makes a run repeatable.")


@click.group(context_settings=SETTINGS)
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
@click.option("--target", default="model", show_default=True, help="What the policy calls the model.")
@click.option("--system", help="A system message to put before each text.")
@click.option("--upstream", help="An OpenAI-compatible server's base URL; default: the simulated provider.")
@click.option("--model", default="sim", show_default=True, help="The model's name at the upstream.")
@click.option("--api-key-env", help="The environment variable that holds the upstream's key.")
@click.option("--concurrency", type=click.IntRange(1, 1_000), default=8, show_default=True)
@click.option("--resume", is_flag=True, help="Skip the ids that the output file holds already.")
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


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8089, show_default=True)
@FAULTS
@SEED
def sim(host: str, port: int, faults: str, seed: int) -> None:
    """Serve the simulated provider: OpenAI chat completions, with streaming and faults.

    \b
    Example:
      wardline sim --port 8089 --faults rough --seed 7
    """
    from orchestrator.sim import Provider
    from orchestrator.sim.server import serve

    with serve(Provider(faults=faults, seed=seed), host=host, port=port) as server:
        click.echo(f"simulated provider at {server.url}/v1, faults {faults}, seed {seed}; Ctrl-C stops it")
        with suppress(KeyboardInterrupt):
            server.wait()


@cli.command()
@click.option("--documents", type=click.IntRange(1), default=120, show_default=True)
@click.option("--faults", type=click.Choice(PROFILES), default="rough", show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
def demo(documents: int, faults: str, seed: int) -> None:
    """Run the logistics document agent, unguarded and guarded, side by side.

    \b
    Example:
      wardline demo --documents 120 --faults rough --seed 7
    """
    from orchestrator.demo import main as told

    sys.exit(told(documents=documents, faults=faults, seed=seed))


def main() -> None:
    """The console script: whatever goes wrong is told in one line."""
    try:
        cli.main(prog_name="wardline")
    except GuardError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
