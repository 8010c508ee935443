"""Finding personal data: Presidio's pattern recognizers, offline, built once for each set of entities."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

# What Presidio's English registry finds by pattern.
PATTERNS = (
    "CREDIT_CARD",
    "CRYPTO",
    "DATE_TIME",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "MEDICAL_LICENSE",
    "PHONE_NUMBER",
    "UK_NHS",
    "URL",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "US_SSN",
    "UUID",
)
# What takes a language model to find.
NAMES = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP"})
LANGUAGE = "en"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a text by character offsets, what kind of data it is, and how sure that is (0 to 1)."""

    start: int
    end: int
    entity: str
    score: float = 1.0


Finder: TypeAlias = Callable[[str], list[Span]]


@lru_cache(maxsize=64)
def finder(entities: tuple[str, ...], score: float, deny: tuple[str, ...], allow: tuple[str, ...]) -> Finder:
    """What finds these entities and denied terms in a text, and leaves allowed ones be."""
    engine = _engine(frozenset(entities)) if entities else None
    terms = re.compile("|".join(sorted(map(re.escape, deny), key=len, reverse=True)), re.IGNORECASE)
    allowed = frozenset(allow)

    def find(text: str) -> list[Span]:
        spans = list(_terms(terms, text)) if deny else []
        if engine is not None:
            results = engine.analyze(text, LANGUAGE, entities=list(entities), score_threshold=score)
            spans += [Span(one.start, one.end, one.entity_type, one.score) for one in results]
        return [span for span in spans if text[span.start : span.end] not in allowed]

    return find


def _terms(terms: re.Pattern[str], text: str) -> Iterator[Span]:
    for match in terms.finditer(text):
        yield Span(match.start(), match.end(), "TERM")


@lru_cache(maxsize=16)
def _engine(entities: frozenset[str]) -> Any:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=[LANGUAGE])
    registry.recognizers = [
        _offline(recognizer)
        for recognizer in registry.recognizers
        if entities & set(recognizer.supported_entities) and type(recognizer).__name__ != "SpacyRecognizer"
    ]
    return AnalyzerEngine(registry=registry, nlp_engine=_words(), supported_languages=[LANGUAGE])


def _offline(recognizer: Any) -> Any:
    """The recognizer, looking e-mail domains up in the list of suffixes that is installed.

    Presidio's own fetches the list from the network at the first address it meets.
    """
    if type(recognizer).__name__ == "EmailRecognizer":
        suffixes = _suffixes()
        recognizer.validate_result = lambda address: suffixes(address).fqdn != ""
    return recognizer


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    from tldextract import TLDExtract

    return TLDExtract(cache_dir=None, suffix_list_urls=())


@lru_cache(maxsize=1)
def _words() -> Any:
    """Presidio's view of a text as words, without a model.

    Its context words are compared with lemmas, which a blank pipeline leaves empty: here each is the
    lower-cased word.
    """
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Words(NlpEngine):
        def __init__(self) -> None:
            self.nlp = spacy.blank(LANGUAGE)

        def load(self) -> None: ...

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            self.nlp.max_length = max(self.nlp.max_length, len(text))
            with self.nlp.memory_zone():  # or every new word would stay in the vocabulary for ever
                document = self.nlp(text)
                words = [token.text.lower() for token in document]
                places = [token.idx for token in document]
            return NlpArtifacts([], words, places, words, self, language, [])  # type: ignore[arg-type]  # words will do

        def process_batch(self, texts: Any, language: str, *rest: Any, **named: Any) -> Any:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return bool(self.nlp.vocab[word].is_stop)

        def is_punct(self, word: str, language: str) -> bool:
            return bool(self.nlp.vocab[word].is_punct)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return [LANGUAGE]

    return Words()
