"""A function's arguments by name, and back: what `inspect.Signature.bind` does, at a tenth of its time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one function.  `owner` names a method's `self` or `cls`, which is no content.

    `rest` names the `**arguments` of a function that has no others: they are its parameters.
    """

    signature: inspect.Signature
    positional: tuple[str, ...]
    defaults: Mapping[str, Any]
    known: frozenset[str]
    simple: bool
    owner: str
    rest: str = ""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Parameters:
        try:
            signature = inspect.signature(function)
        except ValueError:  # a builtin that does not tell
            signature = inspect.signature(lambda *args, **kwargs: None)
        parameters = signature.parameters.values()
        positional = tuple(
            parameter.name
            for parameter in parameters
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        )
        place = getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
        method = "." in place and bool(positional) and positional[0] in ("self", "cls")
        last = list(parameters)[-1:]
        alone = bool(last) and last[0].kind is last[0].VAR_KEYWORD and len(parameters) == 1 + method
        return cls(
            signature=signature,
            positional=positional,
            defaults={p.name: p.default for p in parameters if p.default is not p.empty},
            known=frozenset(positional),
            simple=all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters),
            owner=positional[0] if method else "",
            rest=last[0].name if alone else "",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter that may hold content."""
        return tuple(name for name in self.signature.parameters if name != self.owner)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments by parameter name, defaults filled in.  Raises TypeError as the call itself would."""
        if self.simple and not kwargs and len(args) == len(self.positional):
            return dict(zip(self.positional, args))  # noqa: B905 - as long as each other
        if self.simple and len(args) < len(self.positional):
            given = dict(zip(self.positional, args, strict=False))
            if not kwargs or not kwargs.keys() & given.keys():
                body = {**self.defaults, **given, **kwargs}
                if body.keys() == self.known:
                    return {name: body[name] for name in self.positional}
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        body = dict(bound.arguments)
        rest: dict[str, Any] = body.pop(self.rest) if self.rest else {}
        return {**body, **rest}

    def unbind(self, body: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as a function is called with them."""
        if self.rest:
            owner = (body[self.owner],) if self.owner else ()
            return owner, {name: body[name] for name in body if name != self.owner}
        known = {name: value for name, value in body.items() if name in self.signature.parameters}
        bound = inspect.BoundArguments(self.signature, known)
        # What the function does not know is for it to refuse.
        return bound.args, {**bound.kwargs, **{name: body[name] for name in body.keys() - known.keys()}}
