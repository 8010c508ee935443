"""Train a shipped text classifier: `python -m guards._text.train DATA [injection|toxicity] [--unseen]`.

DATA is a folder with `injection`, `benign` and `toxicity`, each with a `train.jsonl.gz` of rows with source,
text and label; the cards say where each set is published.  Needs numpy.  Writes the weights beside
this file; the same data give the same weights.  With `--unseen`, trains without each source in turn
instead, and prints how the rest does on it.
"""

from __future__ import annotations

import argparse
import gzip
import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from guards._text._classifier import BUCKETS, WORD, Classifier, grams, spans
from guards._text._injected import suspicions
from guards._text._samples import ALIKE, ATTACKS, HARMLESS, NAMING
from guards._text._views import View, folded

STEPS, RATE, DECAY = 120, 0.05, 3e-5
WINDOWS = 3
"""How many windows of a text are trained on."""
MOST = 1_500
"""How many texts of one source and label."""
SCORED = 500
"""How many of them are scored when their source is left out."""
MOST_TOXIC = 5_000
"""The same for toxicity, of which there is more, and less to be learned from each text."""
OBEDIENT = "gptfuzz-responses"
"""A source in which what is wrong is what a text helps with, and not how it speaks: it is not learned."""
EMBEDDED = frozenset({"bipia-ctx", "bipia-bare"})
"""Sources whose attacks are ordinary requests, alone or inside ordinary text: they are not learned."""


@dataclass(frozen=True, slots=True)
class Row:
    source: str
    text: str
    label: int


def rows(file: Path) -> list[Row]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [Row(one["source"], one["text"], one["label"]) for one in map(json.loads, lines)]


def order(row: Row) -> bytes:
    """A fixed order without meaning."""
    return blake2b(f"{row.source}:{row.text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def sampled(all_rows: Iterable[Row], most: int = MOST) -> list[Row]:
    """At most so many texts of each source and label."""
    kept: Counter[tuple[str, int]] = Counter()
    out = []
    for row in sorted(all_rows, key=order):
        kept[row.source, row.label] += 1
        if kept[row.source, row.label] <= most:
            out.append(row)
    return out


def features(text: str, most: int = WINDOWS) -> list[list[int]]:
    """The buckets of a text's first windows, a window apart."""
    plain = folded(View("plain", text)).text
    words = [(found[0], found.start(), found.end()) for found in WORD.finditer(plain)]
    out = []
    for first, last in [*islice(spans(words), 0, 2 * most, 2)]:
        out.append(grams([word for word, _, _ in words[first:last]]))
    return out


def trained(samples: list[Row]) -> Classifier:
    """Logistic regression by Adam, in which every source weighs the same within its label."""
    import numpy as np

    each = [(row, window) for row in samples for window in features(row.text)]
    sizes = Counter((row.source, row.label) for row, _ in each)
    sources = Counter(label for _, label in sizes)
    index = np.concatenate([np.array(window, dtype=np.int32) for _, window in each])
    lengths = np.array([len(window) for _, window in each])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    label = np.array([row.label for row, _ in each], dtype=np.float64)
    # The root keeps large sources from counting for no more than small ones.
    share = np.array([1 / (sizes[row.source, row.label] ** 0.7 * sources[row.label]) for row, _ in each])
    for one in (0, 1):
        share[label == one] /= share[label == one].sum() * 2
    root = 1 / np.sqrt(lengths)
    weights, bias = np.zeros(BUCKETS), 0.0
    first, second = np.zeros(BUCKETS + 1), np.zeros(BUCKETS + 1)
    for step in range(1, STEPS + 1):
        score = np.add.reduceat(weights[index], starts) * root + bias
        error = (1 / (1 + np.exp(-score)) - label) * share
        slope = np.bincount(index, np.repeat(error * root, lengths), BUCKETS) + DECAY * weights
        slope = np.append(slope, error.sum())
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        move = RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weights -= move[:-1]
        bias -= float(move[-1])
    scale = float(np.quantile(np.abs(weights), 0.9999)) / 127
    whole = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
    return Classifier(whole.tobytes(), scale, bias)


def quantile(scores: list[float], share: float) -> float:
    """The least score that no more than a share of the scores reach."""
    ordered = sorted(scores, reverse=True)
    return ordered[int(len(ordered) * share)] + 1e-9


def written() -> list[Row]:
    """The texts written for training, as a source of their own."""
    return [Row("written", text, label) for label, texts in enumerate((HARMLESS, ATTACKS)) for text in texts]


def folds(samples: list[Row]) -> list[frozenset[str]]:
    """Sources that are left out together: each that has attacks alone, the harmless ones in three groups."""
    attacks = sorted({row.source for row in samples if row.label})
    harmless = sorted({row.source for row in samples} - {*attacks, "written"})
    return [frozenset([one]) for one in attacks if one != "written"] + [
        frozenset(harmless[at::3]) for at in range(3)
    ]


def unseen(
    samples: list[Row], score: Callable[[Classifier, str], float], alike: Sequence[str]
) -> Iterator[str]:
    """Each source's scores by a classifier that was trained without it, as rows of a table.

    The thresholds are where 1 % and 0.1 % of all harmless texts lie, each of which is scored by a
    classifier that was trained without its source too.  `alike` are harmless texts that nothing learned from.
    """
    scores: dict[tuple[str, int], list[float]] = defaultdict(list)
    for left_out in folds(samples):
        model = trained([row for row in samples if row.source not in left_out])
        for row in samples:
            if row.source in left_out and len(scores[row.source, row.label]) < SCORED:
                scores[row.source, row.label].append(score(model, row.text))
    every = [one for (_, label), each in scores.items() if not label for one in each]
    flag, block = quantile(every, 0.01), quantile(every, 0.001)
    yield f"{len(every)} harmless texts: 1 % score above {flag:.4f}, 0.1 % above {block:.4f}"
    for (source, label), each in sorted(scores.items()):
        hits = [sum(one >= at for one in each) / len(each) for at in (flag, block)]
        kind = "attack" if label else "harmless"
        yield f"| {source} | {kind} | {len(each)} | {hits[0]:.3f} | {hits[1]:.3f} |"
    halves = [[row for row in samples if order(row)[0] % 2 == half] for half in (0, 1)]
    model = trained(halves[0])
    within: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in halves[1]:
        if (row.source, 1 - row.label) in scores and len(within[row.source, row.label]) < SCORED:
            within[row.source, row.label].append(score(model, row.text))
    for source in sorted({source for source, label in scores if label and (source, 0) in scores}):
        out, own = (area(found[source, 1], found[source, 0]) for found in (scores, within))
        yield f"| {source} | AUC {out:.3f} out of source, {own:.3f} in source |"
    model = trained(samples)
    seen = [score(model, text) for text in alike]
    alarms = ", ".join(f"{sum(one >= at for one in seen) / len(seen):.3f}" for at in (0.5, flag, block))
    yield f"{len(alike)} fresh look-alikes above 0.5 and the two thresholds: {alarms}"


def area(high: list[float], low: list[float]) -> float:
    """How often one of the first scores more than one of the second: the area under the ROC curve."""
    ordered = sorted(low)
    below = sum((bisect_left(ordered, one) + bisect_right(ordered, one)) / 2 for one in high)
    return below / (len(high) * len(low))


def injections(data: Path) -> list[Row]:
    own = rows(data / "injection" / "train.jsonl.gz")
    kept = [row for row in own if not (row.label and row.source in EMBEDDED)]
    return sampled([*kept, *rows(data / "benign" / "train.jsonl.gz"), *written()])


def toxicities(data: Path) -> list[Row]:
    """Insults and hate; ordinary texts count as one source, or the classifier learns how people chat."""
    own = [row for row in rows(data / "toxicity" / "train.jsonl.gz") if row.source != OBEDIENT]
    benign = [Row("benign", row.text, 0) for row in rows(data / "benign" / "train.jsonl.gz")]
    return sampled([*own, *benign], MOST_TOXIC)


def main(arguments: list[str] | None = None) -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("data", type=Path)
    reader.add_argument("what", choices=["injection", "toxicity"], default="injection", nargs="?")
    reader.add_argument("--unseen", action="store_true")
    reader.add_argument("--out", type=Path, default=Path(__file__).parent, help="a folder")
    given = reader.parse_args(arguments)
    injection = given.what == "injection"
    samples = injections(given.data) if injection else toxicities(given.data)
    if given.unseen:
        score, alike = (suspected, ALIKE) if injection else (plainly, NAMING)
        for line in unseen(samples, score, alike):
            print(line, flush=True)
        return
    (given.out / f"{given.what}.weights").write_bytes(trained(samples).written())


def suspected(model: Classifier, text: str) -> float:
    return max((one.score for one in suspicions(text, 0.0, model)), default=0.0)


def plainly(model: Classifier, text: str) -> float:
    return model.best(folded(View("plain", text)).text).score


if __name__ == "__main__":
    main()
