"""The finder as a component of spaCy pipelines."""

from __future__ import annotations

from typing import Any, Literal

NAME = "wardline_names"


def register() -> None:
    """Make `nlp.add_pipe("wardline_names")` known to spaCy; it sets `doc.ents` from the finder.

    Entities that are there already stay, as do those of the finder that overlap none of them; a word that is
    found only in part is an entity as a whole.
    """
    from spacy.language import Language

    if not Language.has_factory(NAME):
        Language.factory(NAME, default_config={"mode": "balanced"}, func=_component)


def _component(nlp: Any, name: str, mode: Literal["balanced", "strict"]) -> Any:
    from guards._pii.names import finder

    find = finder(mode)

    def component(doc: Any) -> Any:
        from spacy.util import filter_spans

        found = [
            doc.char_span(span.start, span.end, label=span.entity, alignment_mode="expand")
            for span in find(doc.text)
        ]  # fmt: skip
        taken = {token.i for entity in doc.ents for token in entity}
        free = [span for span in found if span is not None and not any(token.i in taken for token in span)]
        doc.ents = [*doc.ents, *filter_spans(free)]
        return doc

    return component


__all__ = ["NAME", "register"]
