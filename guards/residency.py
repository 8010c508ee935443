"""residency: a call goes only to models in a region that its run may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from guards._flow import Flow
from guards._helpers import Helpers, facts
from guards._models import Models, model_of
from guards._types import Call, Reply
from guards._ways_on import Elsewhere, knowing


@dataclass(frozen=True, slots=True)
class Residency:
    """A call passes when its model is in a region that its run may use.

    A run may use its own region, or instead of it those that `allow` lists for it. A run without a region
    may use those in `default`; `*` is any. A region covers its parts: `eu` covers `eu-west-1`. A model
    whose region nobody knows is in none. It stands inside what chooses the model, such as route and
    fallback, which then choose another.
    """

    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default: tuple[str, ...] = ("*",)
    _models: Models = field(default_factory=dict, init=False, repr=False, compare=False)

    def with_models(self, models: Models) -> Self:
        return knowing(self, models)

    def with_helpers(self, helpers: Helpers) -> Self:
        return knowing(self, {**self._models, **facts(helpers)})

    def __call__(self, call: Call) -> Flow:
        region = call.run.region
        allowed = self.allow.get(region, (region,)) if region else self.default
        if "*" not in allowed:
            model = model_of(self._models, call)
            if model is None or not model.region:
                raise Elsewhere(f"the region of {call.via or call.target} is not known; add it under models")
            if not covered(model.region, allowed):
                raise Elsewhere(f"{call.via or call.target} is in {model.region}, which this run may not use")
        reply: Reply = yield call
        return reply


def covered(region: str, allowed: Iterable[str]) -> bool:
    return any(region == one or region.startswith(f"{one}-") for one in allowed)


guard = Residency
