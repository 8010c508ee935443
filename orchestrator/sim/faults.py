"""How often models and their servers go wrong, and what it looks like when they do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

# The only place with numbers: the chance that each fault befalls one answer.
RATES: Mapping[str, tuple[float, float, float]] = {
    #                   calm   rough  storm
    "rate_limit":      (0.010, 0.050, 0.120),
    "server_error":    (0.005, 0.030, 0.100),
    "timeout":         (0.002, 0.020, 0.050),
    "slow":            (0.010, 0.050, 0.120),
    "refusal":         (0.003, 0.015, 0.050),
    "empty":           (0.003, 0.015, 0.060),
    "missing_field":   (0.010, 0.050, 0.120),
    "wrong_type":      (0.010, 0.060, 0.150),
    "invented_field":  (0.010, 0.050, 0.120),
    "python_literals": (0.005, 0.030, 0.100),
    "trailing_comma":  (0.010, 0.040, 0.120),
    "duplicate":       (0.003, 0.015, 0.050),
    "fence":           (0.080, 0.180, 0.300),
    "prose":           (0.050, 0.120, 0.250),
    "truncated":       (0.003, 0.025, 0.080),
}  # fmt: skip
FAULTS = tuple(RATES)
DOWN = ("rate_limit", "server_error", "timeout")
SERVER_FAULTS = (*DOWN, "slow")
IN_PLAIN_TEXT = ("slow", "duplicate", "truncated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How often each fault occurs (a probability), and how long a server that hangs does, in seconds.

    `reask` scales the chance of a fault in the text when the model is told what was wrong before.
    """

    name: str
    rates: Mapping[str, float] = field(default_factory=dict)
    reask: float = 0.3
    hang: float = 120.0

    def __post_init__(self) -> None:
        for fault, rate in self.rates.items():
            if fault not in FAULTS:
                raise ValueError(f"there is no fault {fault!r}; there are {', '.join(FAULTS)}")
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {fault} is {rate}; it must be between 0 and 1")

    def rate(self, fault: str) -> float:
        return self.rates.get(fault, 0.0)


PROFILES: Mapping[str, Profile] = {
    "none": Profile(name="none"),
    **{
        name: Profile(name=name, rates={fault: rates[column] for fault, rates in RATES.items()})
        for column, name in enumerate(("calm", "rough", "storm"))
    },
}


def profile(faults: str | Profile) -> Profile:
    """The profile of that name, or the one given.  Raises ValueError for an unknown name."""
    if isinstance(faults, Profile):
        return faults
    if faults not in PROFILES:
        raise ValueError(f"there is no fault profile {faults!r}; there are {', '.join(PROFILES)}")
    return PROFILES[faults]


def effective(drawn: tuple[str, ...], *, structured: bool) -> tuple[str, ...]:
    """Those of the faults that show: nothing is wrong with the JSON of a refusal, or of a plain text."""
    for last in (*DOWN, "refusal", "empty"):
        if last in drawn:
            return tuple(fault for fault in drawn if fault == last or (fault == "slow" and last not in DOWN))
    return drawn if structured else tuple(fault for fault in drawn if fault in IN_PLAIN_TEXT)


REFUSALS = (
    "I'm sorry, but I can't help with that request.",
    "I'm unable to process this document.",
    "As an AI language model, I cannot assist with this.",
)
OPENINGS = (
    "Sure! Here is the JSON you asked for:",
    "Here's the extracted data:",
    "Based on the text, I found:",
)
ENDINGS = ("Let me know if you need anything else!", "Fields that I could not find were left out.", "")
INVENTED = {"additional_info": "n/a", "extraction_notes": "checked", "processed": True, "version": 1}


def damaged(value: Any, faults: tuple[str, ...], chance: Random) -> Any:
    """The object as a careless model would fill it in: a field missing, of the wrong type, or made up."""
    if not isinstance(value, dict):
        return str(value) if "wrong_type" in faults and not isinstance(value, str) else value
    value = dict(value)
    if "missing_field" in faults and value:
        del value[chance.choice(sorted(value))]
    if "wrong_type" in faults and value:
        name = chance.choice(sorted(value))
        value[name] = _other_type(value[name])
    if "invented_field" in faults:
        name = chance.choice(sorted(INVENTED))
        value.setdefault(name, INVENTED[name])
    return value


def _other_type(value: Any) -> Any:
    match value:
        case bool() | None:
            return "unknown"
        case int() | float():
            return f"approx. {value:,}"
        case str():
            return [value]
        case list():
            return ", ".join(map(str, value))
    return json.dumps(value)


def written(value: Any, faults: tuple[str, ...], chance: Random) -> str:
    """The value as a model writes it down: JSON, or something near it, dressed up."""
    text = repr(value) if "python_literals" in faults else json.dumps(value, ensure_ascii=False, indent=2)
    if "trailing_comma" in faults and text[-1:] in ("}", "]") and len(text) > 2:
        text = f"{text[:-1].rstrip()},\n{text[-1]}"
    return dressed(text, faults, chance)


def dressed(text: str, faults: tuple[str, ...], chance: Random) -> str:
    """The text with what models put around it."""
    dress: Mapping[str, Callable[[str], str]] = {
        "fence": lambda text: f"```json\n{text}\n```",
        "duplicate": lambda text: f"{text}\n\n{text}",
        "prose": lambda text: f"{chance.choice(OPENINGS)}\n\n{text}\n\n{chance.choice(ENDINGS)}".rstrip(),
    }
    for fault, put in dress.items():
        if fault in faults:
            text = put(text)
    return text


def said(text: str, faults: tuple[str, ...], chance: Random) -> tuple[str, str]:
    """What arrives of the text, and why it ended."""
    if "refusal" in faults:
        return chance.choice(REFUSALS), "stop"
    if "empty" in faults:
        return "", "stop"
    if "truncated" in faults and len(text) > 1:
        return text[: max(1, int(len(text) * chance.uniform(0.3, 0.9)))], "length"
    return text, "stop"
