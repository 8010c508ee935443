"""How well personal data is found: precision, recall, F1 and F2 by entity and source, on labelled texts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from guards._pii._find import Span
from orchestrator.evaluation._rows import DataError, records

Find: TypeAlias = Callable[[str], list[Span]]

# Labels of public data sets for what is found here under another name.
LABELS = {
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "DATE": "DATE_TIME",
    "ORG": "ORGANIZATION",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "PER": "PERSON",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with what stands in it, and the source it is from."""

    text: str
    spans: tuple[Span, ...]
    source: str


@dataclass(slots=True)
class Tally:
    """Spans found and right, found and wrong, missed; `covered` counts missed ones that are masked anyway.

    A span is right when start, end and entity are.  A missed span is covered when what was found, under
    whatever entity, leaves none of its letters or digits.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    covered: int = 0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong or 1)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed or 1)

    @property
    def masked(self) -> float:
        """The share of spans of which nothing is left."""
        return (self.right + self.covered) / (self.right + self.missed or 1)

    def f(self, beta: float) -> float:
        """F-measure: recall counts `beta` times as much as precision."""
        weight = beta * beta
        return (
            (1 + weight) * self.right / ((1 + weight) * self.right + weight * self.missed + self.wrong or 1)
        )


@dataclass(slots=True)
class Scores:
    """The outcome of one configuration over a data set; `seconds` are of CPU."""

    entities: dict[str, Tally] = field(default_factory=dict)
    sources: dict[str, Tally] = field(default_factory=dict)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[tuple[str, str]] = field(default_factory=list)
    words: int = 0
    seconds: float = 0.0

    @property
    def whole(self) -> Tally:
        total = Tally()
        for tally in self.entities.values():
            total.right += tally.right
            total.wrong += tally.wrong
            total.missed += tally.missed
            total.covered += tally.covered
        return total


def read(path: Path) -> Iterator[Labelled]:
    """JSON lines with `text` and `spans` ({start, end, label}), and `source` if there is more than one."""
    for place, row in records(path):
        yield _labelled(row, place, path.stem)


def _labelled(row: dict[str, Any], place: str, source: str) -> Labelled:
    try:
        text = row["text"]
        length = len("".join([text]))  # a text, and nothing else
        spans = tuple(_span(each, length) for each in row["spans"])
    except (ValueError, KeyError, TypeError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else type(error).__name__
        need = 'each line is {"text": ..., "spans": [{"start": 0, "end": 3, "label": "PERSON"}]}'
        raise DataError(f"{place}: {problem}; {need}") from None
    return Labelled(text, spans, str(row.get("source", source)))


def _span(row: Any, length: int) -> Span:
    start, end, label = row["start"], row["end"], row["label"]
    if not 0 <= start < end <= length:
        raise ValueError("span outside the text")
    return Span(start, end, LABELS.get(label, label))


def evaluate(data: Iterable[Labelled], find: Find, entities: Iterable[str]) -> Scores:
    """Score a finder on the labels it is there to find; others, it may find or not."""
    wanted = frozenset(entities)
    scores = Scores()
    for one in data:
        started = time.process_time()
        found = find(one.text)
        scores.seconds += time.process_time() - started
        scores.words += len(one.text.split())
        _score(one, [span for span in found if span.entity in wanted], wanted, scores)
    return scores


def _score(one: Labelled, found: list[Span], wanted: frozenset[str], scores: Scores) -> None:
    gold = {(s.start, s.end, s.entity) for s in one.spans if s.entity in wanted}
    mine = {(s.start, s.end, s.entity) for s in found}
    source = scores.sources.setdefault(one.source, Tally())
    for start, end, entity in gold:
        tally = scores.entities.setdefault(entity, Tally())
        if (start, end, entity) in mine:
            tally.right += 1
            source.right += 1
            continue
        tally.missed += 1
        source.missed += 1
        meant = next((e for s, e_, e in sorted(mine) if s < end and start < e_ and e != entity), "")
        if meant:
            scores.confusion[entity, meant] += 1
        if _covered(one.text, start, end, found):
            tally.covered += 1
            source.covered += 1
        else:
            scores.misses.append((entity, _shown(one.text, start, end)))
    for _, _, entity in mine - gold:
        scores.entities.setdefault(entity, Tally()).wrong += 1
        source.wrong += 1


def _covered(text: str, start: int, end: int, found: list[Span]) -> bool:
    hidden = {index for span in found for index in range(max(start, span.start), min(end, span.end))}
    return all(index in hidden or not text[index].isalnum() for index in range(start, end))


def _shown(text: str, start: int, end: int) -> str:
    """A miss, itself masked: the shape of the value between the words around it."""
    shape = "".join(
        "x" if c.islower() else "X" if c.isalpha() else "0" if c.isdigit() else c for c in text[start:end]
    )
    before = " ".join(text[:start].split()[-3:])
    after = " ".join(text[end:].split()[:2])
    return f"{before} [{shape}] {after}"


def table(named: dict[str, Scores]) -> str:
    """Configurations side by side, one line an entity and a source."""
    lines = []
    for title, scores in named.items():
        speed = scores.words / scores.seconds if scores.seconds else 0.0
        lines.append(f"{title}: {scores.words:,} words, {speed:,.0f} words a second")
        lines.append(f"{'':<24}{'spans':>8}{'P':>7}{'R':>7}{'F1':>7}{'F2':>7}{'masked':>9}")
        rows = [*sorted(scores.entities.items()), ("all", scores.whole)]
        rows += [(f"source {name}", tally) for name, tally in sorted(scores.sources.items())]
        for name, tally in rows:
            figures = (tally.precision, tally.recall, tally.f(1), tally.f(2), tally.masked)
            spans = tally.right + tally.missed
            lines.append(
                f"{name[:24]:<24}{spans:>8}"
                + "".join(f"{100 * f:>{7 if n < 4 else 9}.1f}" for n, f in enumerate(figures))
            )
        if scores.confusion:
            worst = scores.confusion.most_common(5)
            lines.append("taken for another: " + ", ".join(f"{a} as {b} {n}" for (a, b), n in worst))
        lines += [f"missed {entity}: {shown}" for entity, shown in scores.misses[:10]]
        lines.append("")
    return "\n".join(lines)
