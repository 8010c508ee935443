"""A policy: which guards stand where, and what the models they stand before cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from guards._flow import Guard, guard_name
from guards._types import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens; cached input costs as much as any other where no price is given."""

    input: float
    output: float
    cached: float | None = None

    def cost(self, usage: Usage) -> float:
        fresh = usage.input - usage.cached
        cached = self.input if self.cached is None else self.cached
        return (fresh * self.input + usage.cached * cached + usage.output * self.output) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model by the provider's id.  `price: auto` looks the id up in the price library."""

    id: str
    price: Price | Literal["auto", "none"] = "none"
    region: str = ""
    tier: int = 1

    def cost(self, usage: Usage) -> float | None:
        """US dollars, or None where no price is kept."""
        if isinstance(self.price, Price):
            return self.price.cost(usage)
        if self.price == "none":
            return None
        import genai_prices

        tokens = genai_prices.Usage(
            input_tokens=usage.input, cache_read_tokens=usage.cached, output_tokens=usage.output
        )
        return float(genai_prices.calc_price(tokens, model_ref=self.id).total_price)


@dataclass(frozen=True, slots=True)
class Placed:
    """A guard in its place; `only` are globs of the targets it stands before, none meaning all."""

    guard: Guard
    use: str
    only: tuple[str, ...] = ()

    def applies(self, target: str) -> bool:
        return not self.only or any(fnmatchcase(target, pattern) for pattern in self.only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A case that a policy states about itself: what is sent, what must and must not leave or come back."""

    model: str | None = None
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    target: str = "model"
    roles: tuple[str, ...] = ()
    user: str = ""
    region: str = ""
    replies: tuple[str, ...] = ()
    expect: str = ""
    sends: str = ""
    sends_without: str = ""
    returns: str = ""
    returns_without: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which guards stand around models and tools, outermost first."""

    name: str = ""
    model: tuple[Placed, ...] = ()
    tool: tuple[Placed, ...] = ()
    models: Mapping[str, Model] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    digest: str = ""
    source: str = ""

    def guards(self, kind: Literal["model", "tool"], target: str) -> tuple[Guard, ...]:
        """The guards that apply to one target, in order."""
        placed = self.model if kind == "model" else self.tool
        return tuple(each.guard for each in placed if each.applies(target))

    @classmethod
    def of(
        cls,
        *,
        model: Iterable[Guard] = (),
        tool: Iterable[Guard] = (),
        models: Mapping[str, Model] | None = None,
    ) -> Policy:
        """A policy written in Python."""
        return cls(
            model=tuple(Placed(guard, guard_name(guard)) for guard in model),
            tool=tuple(Placed(guard, guard_name(guard)) for guard in tool),
            models=models or {},
        )
