"""Words and phrases of unwanted content, found as people write them: with look-alike letters, digits for
letters, stars, letters drawn out or standing apart.

The table is `content.rules`, each letter moved by 13 so that nobody has to read it.  A rule is a row of
slots, each with its choices.  All of it is local: whether a phrase is found depends on `SPAN` characters
around it, so that a text can be checked while it flows by.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from string import ascii_lowercase
from typing import NamedTuple, TypeAlias

from guards._text import _signs as signs
from guards._text._match import Terms
from guards._text._views import LEET, View, folded

SPAN = 128
"""The most characters from the beginning of a phrase to its end."""
LONGEST = 40
"""How long a word may be, with what stands in it."""
APART = 24
"""How many letters that stand apart are put together at most."""
REACH = SPAN + LONGEST
"""How far around a word without which no rule holds the text is read."""
MOST = 16
"""How many words before that word a phrase begins at most."""
BEFORE = 48
"""How many characters before a phrase say whether somebody else's words are told."""

CHUNK = re.compile(r"[^\W_]+(?:[*@$!|+]+[^\W_]+)*[$*]*|[@$][^\W_]+(?:[*@$!|+]+[^\W_]+)*[$*]*")
SIGNS = "*@$!|+"
GAP = re.compile(r"[^\w.?;:\n]{0,3}[\s_-]?[^\w.?;:\n]{0,3}")
PLAIN = re.compile(r"[^\W_]+")
ODD = re.compile(r"[*@$!|+01345789](?:(?=[a-z])|(?<=[a-z][*$01345789]))")
THRICE = re.compile(r"([a-z])\1\1")
THRICE_EACH = [3 * letter for letter in ascii_lowercase]
SPELT = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}[^\W_](?![^\W_])){3}")
DRAWN = re.compile(r"(.)\1+")
TOLD = re.compile(
    r"(?:^|[\s(\[])[\"'\u201c\u201e\u00ab\u2018][^\"\u201d\u00bb.!?\n]{0,40}$"
    r"|\b(?:call(?:s|ed|ing)?|sa(?:y|ys|id|ying)|told|wr(?:ite|ites|ote|itten)|quot\w+|shout\w*|yell\w*|scream\w*"
    r"|tweet\w*|post(?:s|ed)|words?|terms?|phrases?|slurs?|insults?|lyrics?|report\w*|accus\w+|chant\w*"
    r"|defin\w+|meaning|translat\w+|spell\w*|nannte|sagte|wort|llamo|dijo|palabra|traite|dit|mot|detto|disse)\b"
    r"[^.!?\n]*$"
)
Phrase: TypeAlias = tuple[str, ...]


class Slot(NamedTuple):
    """The choices at one place of a rule, by their first word, and whether the place may stay empty."""

    choices: Mapping[str, tuple[Phrase, ...]]
    optional: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A row of slots, and what it says: how likely a phrase is of this category."""

    category: str
    score: float
    language: str
    slots: tuple[Slot, ...]
    first: frozenset[str]
    """The words that one may begin with."""
    anchors: frozenset[str]
    """Words one of which stands wherever it holds, as rare ones as there are."""


class Word(NamedTuple):
    """A word as it is meant, its place in the folded text, and whether the next one may go on from it."""

    text: str
    start: int
    end: int
    linked: bool


class Hit(NamedTuple):
    """A phrase of a category, its place in the original text, and how likely it is meant."""

    category: str
    score: float
    start: int
    end: int


class Lexicon:
    """The rules for some languages."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._first: dict[str, list[Rule]] = {}
        self._anchored: dict[str, list[Rule]] = {}
        for rule in rules:
            for word in rule.first:
                self._first.setdefault(word, []).append(rule)
            for word in rule.anchors:
                self._anchored.setdefault(word, []).append(rule)
        self._spots = Terms([*self._anchored, *THRICE_EACH], words=False)
        phrases = [p for rule in rules for slot in rule.slots for some in slot.choices.values() for p in some]
        self._known = {word for phrase in phrases for word in phrase}
        self._drawn = {DRAWN.sub(r"\1", word): word for word in sorted(self._known) if len(word) > 3}
        self._starred = {form: word for word in sorted(self._known) for form in _starred(word)}

    def find(self, text: str) -> list[Hit]:
        """Every phrase, in order; not one that stands in another that is as likely of its category."""
        view = folded(View("plain", text), latin=True)
        found: list[Hit] = []
        for start, end in self._stretches(view.text):
            words = self._words(view.text[start:end], start)
            # A word at the edge may be a part of one.
            first = start + LONGEST if start else 0
            last = end - LONGEST if end < len(view.text) else end
            found += (
                Hit(rule.category, rule.score, *view.span(words[at].start, words[stop - 1].end))
                for rule, at, stop in self._matches(words, view)
                if first <= words[at].start and words[stop - 1].end <= last
            )
        return [*_best(found)]

    def pending(self, text: str) -> int:
        """Where the earliest phrase may start that more text can still bring or change."""
        tail = text[-SPAN - LONGEST :]
        view = folded(View("plain", tail), latin=True)
        written = self._words(view.text)
        end = len(view.text.rstrip(SIGNS))
        words = _settled(written, end)
        at = len(words)
        while at and words[at - 1].linked and words[at - 1].text in self._known:
            at -= 1
        starts = [
            word.start
            for at, word in enumerate(words[at:], at)
            if any(_reached(rule, words, at)[1] for rule in self._first.get(word.text, ()))
        ]
        starts += [one.start for one in written[len(words) :] if one.end - one.start <= LONGEST][:1]
        # A sign at the end may go on with what stands before it, or begin a word.
        starts += [end] if end < len(view.text) else []
        held = [len(tail) - view.span(start, start + 1)[0] for start in starts]
        # What has become too long is no phrase any more.
        return len(text) - max((one for one in held if one <= SPAN), default=0)

    def _stretches(self, text: str) -> list[tuple[int, int]]:
        """Where anything can be found at all: around words without which no rule holds, and odd spellings."""
        hits = self._spots.find(text)
        spots = [at for what, at, end in hits if what >= len(self._anchored) or _whole(text, at, end)]
        patterns = (ODD, SPELT) if _apart(text) else (ODD,)
        spots += [one.start() for pattern in patterns for one in pattern.finditer(text)]
        out: list[tuple[int, int]] = []
        for spot in sorted(spots):
            start, end = max(0, spot - REACH), min(len(text), spot + REACH)
            if out and start <= out[-1][1]:
                out[-1] = (out[-1][0], end)
            else:
                out.append((start, end))
        return out

    def _matches(self, words: list[Word], view: View) -> Iterator[tuple[Rule, int, int]]:
        """Each rule that holds, from which word to before which; the longest from one word on."""
        tries = {
            (id(rule), at): (rule, at)
            for place, word in enumerate(words)
            for rule in self._anchored.get(word.text, ())
            for at in range(max(0, place - MOST), place + 1)
            if words[at].text in rule.first
        }
        for rule, at in tries.values():
            for stop in sorted(_reached(rule, words, at)[0], reverse=True):
                start, end = view.span(words[at].start, words[stop - 1].end)
                if end - start <= SPAN:
                    yield rule, at, stop
                    break

    def _words(self, text: str, base: int = 0) -> list[Word]:
        """The words of a stretch of a folded text that begins at `base`."""
        chunks = [found.span() for found in CHUNK.finditer(text)]
        following = [*(start for start, _ in chunks), len(text)][1:]
        meant = self._meant if _odd(text) else str
        words = [
            Word(meant(text[start:end]), base + start, base + end, _links(text[end:after]))
            for (start, end), after in zip(chunks, following, strict=True)
        ]
        return [*self._joined(words)] if _apart(text) and SPELT.search(text) else words

    def _meant(self, chunk: str) -> str:
        """The word that is meant by what is written, if it is a known one."""
        if chunk in self._known or len(chunk) > LONGEST or not _odd(chunk):
            return chunk
        bare = chunk.rstrip("*")
        leet = bare.translate(LEET)
        forms = (
            bare,
            bare.rstrip("$"),
            leet,
            self._starred.get(chunk),
            self._drawn.get(DRAWN.sub(r"\1", leet)),
        )
        return next((form for form in forms if form in self._known), bare) or chunk

    def _joined(self, words: list[Word]) -> Iterator[Word]:
        """The words, with those made of letters that stand apart."""
        at = 0
        while at < len(words):
            run = _run(words, at)
            if 4 <= len(run) <= APART:
                yield from self._spelt(run)
            else:
                yield from run
            at += len(run)

    def _spelt(self, letters: list[Word]) -> Iterator[Word]:
        """The longest known word from each letter on."""
        at = 0
        while at < len(letters):
            stop = next(
                (
                    stop
                    for stop in range(len(letters), at + 2, -1)
                    if "".join(one.text for one in letters[at:stop]) in self._known
                ),
                at + 1,
            )
            text = "".join(one.text for one in letters[at:stop])
            yield Word(text, letters[at].start, letters[stop - 1].end, letters[stop - 1].linked)
            at = stop


def told(text: str, start: int) -> bool:
    """Whether what starts here in a text is quoted, or reported as what somebody said."""
    return (
        TOLD.search(folded(View("plain", text[max(0, start - BEFORE) : start]), latin=True).text) is not None
    )


def _reached(rule: Rule, words: list[Word], at: int) -> tuple[set[int], bool]:
    """Where a rule that starts at a word may end, and whether words to come could change that."""
    places, alive = {at}, False
    for slot in rule.slots:
        after = set(places) if slot.optional else set[int]()
        for place in places:
            if place > at and not words[place - 1].linked:
                continue
            if place == len(words):
                alive = True
                continue
            for phrase in slot.choices.get(words[place].text, ()):
                here = words[place : place + len(phrase)]
                if any(one.text != said for one, said in zip(here, phrase, strict=False)):
                    continue
                if not all(one.linked for one in here[: len(phrase) - 1]):
                    continue
                if len(here) == len(phrase):
                    after.add(place + len(phrase))
                else:
                    alive = True
        places = after
        if not places:
            break
    return places - {at}, alive


def _settled(words: list[Word], length: int) -> list[Word]:
    """The words that more text cannot change: not one at the very end, nor letters there that stand apart."""
    count = len(words) - bool(words and words[-1].end >= length)
    if count < len(words) and words[count].end - words[count].start > 1:
        return words[:count]
    first, after = count, words[count].start if count < len(words) else length
    while first and words[first - 1].end - words[first - 1].start == 1 and after - words[first - 1].end <= 3:
        first, after = first - 1, words[first - 1].start
    return words[:first] if count - first <= APART else words[:count]


def _run(words: list[Word], at: int) -> list[Word]:
    """Letters that stand apart, from here on; or the one word that is here."""
    stop = at + 1
    if len(words[at].text) == 1:
        while (
            stop < len(words) and len(words[stop].text) == 1 and words[stop].start - words[stop - 1].end <= 3
        ):
            stop += 1
    return words[at:stop]


def _whole(text: str, start: int, end: int) -> bool:
    return not (start and text[start - 1].isalnum()) and not text[end : end + 1].isalnum()


def _links(gap: str) -> bool:
    return gap == " " or (len(gap) <= 6 and GAP.fullmatch(gap) is not None)


def _odd(text: str) -> bool:
    """Whether a word is written in a way that may stand for another; each such place is a spot."""
    return ODD.search(text) is not None or THRICE.search(text) is not None


def _apart(text: str) -> bool:
    """Whether letters may stand apart."""
    return not text.isascii() or signs.APART(signs.seen(text))


def _best(found: list[Hit]) -> Iterator[Hit]:
    """Without those that stand inside another of their category that is as likely."""
    around: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (hit.start, -hit.end, -hit.score)):
        around = [one for one in around if one.end > hit.start]
        if not any(
            one.end >= hit.end and one.score >= hit.score for one in around if one.category == hit.category
        ):
            around.append(hit)
            yield hit


# The table


@cache
def lexicon(languages: tuple[str, ...]) -> Lexicon:
    """The rules that are shipped for some languages; all of them where none is named."""
    return Lexicon(tuple(rule for rule in shipped() if not languages or rule.language in languages))


@cache
def shipped() -> tuple[Rule, ...]:
    written = files("guards._text").joinpath("content.rules").read_text("utf-8")
    return read(codecs.decode(written, "rot13"))


def read(text: str) -> tuple[Rule, ...]:
    """The rules of a table."""
    classes: dict[str, set[Phrase]] = {}
    often: dict[str, float] = {}
    out = []
    for line in text.splitlines():
        match line.split(" ", 4):
            case ["common", *words]:
                # As often as their ranks say, by Zipf's law.
                often |= {word: 1 / rank for rank, word in enumerate(" ".join(words).split(), 1)}
            case ["class", name, "=", *some]:
                classes[name] = set(map(_phrase, " ".join(some).split("|")))
            case ["rule", category, score, language, phrase]:
                slots = tuple(map(_slot, _row(re.findall(r"[()|]|<\w+>|[^\s()|<>]+", phrase), classes)))
                rule = Rule(category, float(score), language, slots, _first(slots), _anchors(slots, often))
                out.append(rule)
    return tuple(out)


def _row(signs: list[str], classes: Mapping[str, set[Phrase]]) -> list[set[Phrase]]:
    """The choices at each place, up to the end of the group; takes what it reads off the signs."""
    row: list[set[Phrase]] = []
    while signs and signs[0] not in ("|", ")"):
        sign = signs.pop(0)
        if sign == "(":
            row.append(_group(signs, classes))
        else:
            row.append(classes[sign[1:-1]] if sign.startswith("<") else {_phrase(sign)})
    return row


def _group(signs: list[str], classes: Mapping[str, set[Phrase]]) -> set[Phrase]:
    out: set[Phrase] = set()
    while True:
        out |= {sum(some, ()) for some in product(*_row(signs, classes))}
        if signs.pop(0) == ")":
            return out


def _phrase(text: str) -> Phrase:
    return tuple(PLAIN.findall(folded(View("plain", text), latin=True).text))


def _slot(choices: set[Phrase]) -> Slot:
    first: dict[str, list[Phrase]] = {}
    for phrase in sorted(choices - {()}):
        first.setdefault(phrase[0], []).append(phrase)
    return Slot({word: tuple(some) for word, some in first.items()}, () in choices)


def _first(slots: tuple[Slot, ...]) -> frozenset[str]:
    needed = next(at for at, slot in enumerate(slots) if not slot.optional)
    return frozenset(word for slot in slots[: needed + 1] for word in slot.choices)


def _anchors(slots: tuple[Slot, ...], often: Mapping[str, float]) -> frozenset[str]:
    def rarest(phrase: Phrase) -> str:
        return min(phrase, key=lambda word: (often.get(word, 0), -len(word)))

    choices = [
        {rarest(phrase) for some in slot.choices.values() for phrase in some}
        for slot in slots
        if not slot.optional
    ]
    return frozenset(min(choices, key=lambda words: sum(often.get(word, 0) for word in words)))


def _starred(word: str) -> Iterator[str]:
    """A word with stars in it for one letter, or for all but the outer ones."""
    if len(word) > 3:
        yield f"{word[0]}{'*' * (len(word) - 2)}{word[-1]}"
        yield from (f"{word[:at]}*{word[at + 1 :]}" for at in range(1, len(word) - 1))
