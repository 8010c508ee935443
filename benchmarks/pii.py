"""Finding personal data by patterns: our time beside Presidio's, and how often the two differ.

`python -m benchmarks.pii` prints the times, `python -m benchmarks.pii --differential N` compares N texts.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, TypeAlias

from benchmarks._measure import Figure, cpu
from guards._pii._entities import PATTERNS
from guards._pii._fast import analyzer
from guards._pii._find import _engine

Found: TypeAlias = list[tuple[str, int, int, float]]

PLAIN = "The committee met in the old town hall and talked about the roads for most of the afternoon. "
ITEMS = (
    "Please call my phone at (650) 253-0000 before noon. ",
    "Her address is ann.lee@example.com as before. ",
    "He paid with the card 4111 1111 1111 1111 last week. ",
    "The social security number is 536-90-4399 there. ",
    "See https://www.example.org/a/b?c=d for more. ",
    "The server is 192.168.10.4 now. ",
)
# Length in characters: how often a sentence holds an item, and the goal there.
DENSITIES = {"clean": (0, "40x"), "one in ten": (10, "12x"), "every second": (2, "8x")}
LENGTHS = (50, 1_000, 10_000, 50_000)

# fmt: off
BITS = (
    "call", "me", "phone", "ssn", "license", "NHS", "bank", "account", "iban", "'foo.com'", ".", "-",
    "/", ":", "@", "x", "é", "ſ", "K", "٣", "#", "(", ")", "12", "3", "a@b.com", "::1", "a.b@c-d.co.uk",
    "fe80::1", "www.foo.co.uk", "192.168.0.1", "http://x.org/a?b", "AB1234563", "536-90-4399",
    "12/05/2021", "2021-05-12T10:00Z", "5-JAN-2020", "MAR-20", "A1234567", "912-70-1234", "123456789",
    "2001:db8::ff00:42:8329", "00:1B:44:11:3A:B7", "0000.1111.2222", "::ffff:1.2.3.4",
    "550e8400-e29b-41d4-a716-446655440000", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "(650) 253-0000",
    "+44 20 7946 0958", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "943 476 5919", "ext 5",
    "\n", "\t",
)
# fmt: on


def sample(dice: random.Random) -> str:
    """A short text of what patterns look for, some of it damaged."""
    text = dice.choice((" ", "", " ", "  ")).join(dice.choice(BITS) for _ in range(dice.randint(1, 8)))
    if dice.random() < 0.4:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(" .-:/@0159aZ\n") + text[at + dice.randint(0, 2) :]
    return text


@lru_cache(maxsize=1)
def _both() -> tuple[Any, Any]:
    engine = _engine(frozenset(PATTERNS), "none", ())
    return engine, analyzer(engine, list(PATTERNS), 0.0, "en")


def reference(text: str) -> Found:
    """What Presidio finds."""
    engine, _ = _both()
    return _plain(engine.analyze(text, "en", entities=list(PATTERNS), score_threshold=0.0))


def fast(text: str) -> Found:
    """What we find."""
    return _plain(_both()[1](text))


def _plain(results: Any) -> Found:
    return [(one.entity_type, one.start, one.end, one.score) for one in results]


def different(text: str) -> bool:
    """Whether the two differ, in anything but the surrogates that no word splitter takes."""
    return reference(text) != fast(text)


def prose(length: int, every: int) -> str:
    """A text of this many characters that holds an item in each so many sentences; 0: none."""
    sentences: list[str] = []
    while sum(map(len, sentences)) < length:
        count = len(sentences)
        sentences.append(ITEMS[count // every % len(ITEMS)] if every and count % every == 0 else PLAIN)
    return "".join(sentences)[:length]


def figures(lengths: tuple[int, ...] = LENGTHS) -> Iterator[Figure]:
    """How many times faster than Presidio, by length and density."""
    for length in lengths:
        for name, (every, goal) in DENSITIES.items():
            text = prose(length, every)
            number = max(1, 10_000 // length)
            ours = cpu(partial(fast, text), number=number, rounds=3)
            theirs = cpu(partial(reference, text), number=number, rounds=2)
            yield Figure(
                f"finding in {length} characters, {name}",
                theirs / ours,
                "x",
                "15x" if length == 50_000 and every else goal,
            )
            yield Figure(f"  ours, {name}", ours, "µs")


def main() -> None:
    if "--differential" in sys.argv:
        dice = random.Random(1)
        count = int(sys.argv[sys.argv.index("--differential") + 1])
        differing = sum(different(sample(dice)) for _ in range(count))
        print(f"{differing} of {count} texts differ")
        sys.exit(differing > 0)
    for figure in figures():
        print(f"{figure.name:<45}{figure.measured:>16}  {figure.goal}")


if __name__ == "__main__":
    main()
