"""The work of `wardline mask`, `unmask` and `eval pii`: the guard's own engine on a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guards._pii._find import Span
from guards._pii._operators import Operators
from guards._pii._vault import Vault, disjoint
from guards.mask import Mask
from orchestrator.stores._codec import Codec
from policies import Policy, PolicyError, load

# What a vault in a file of its own is sealed as.
FILE = "the vault"


@dataclass(frozen=True, slots=True)
class Masked:
    """A masked text, what was found in it, and the vault that takes it back."""

    text: str
    spans: list[Span]
    vault: Vault


def mask_of(policy: str) -> Mask:
    """The first mask of a policy; raises `PolicyError` if it has none."""
    loaded: Policy = load(policy)
    for placed in loaded.model:
        guard: Any = placed.guard
        while not isinstance(guard, Mask) and hasattr(guard, "guard"):
            guard = guard.guard
        if isinstance(guard, Mask):
            return guard
    raise PolicyError(policy, 0, 0, "model", "no guard here masks personal data", "add {use: mask}")


def mask_text(guard: Mask, text: str) -> Masked:
    """A text as the guard sends it."""
    spans = disjoint(guard.find(text))
    vault = Vault()
    masked = vault.mask(text, spans, Operators(guard.operators, guard.key))
    return Masked(masked, spans, vault)


def explained(guard: Mask, text: str) -> list[dict[str, Any]]:
    """A row for everything found: what it is, how sure that is, where, and what stands for it."""
    done = mask_text(guard, text)
    rows = []
    for span in done.spans:
        value = text[span.start : span.end]
        stands = done.vault.mask(
            value, [Span(0, len(value), span.entity)], Operators(guard.operators, guard.key)
        )
        rows.append(
            {
                "entity": span.entity,
                "score": round(span.score, 2),
                "start": span.start,
                "end": span.end,
                "stands": stands,
            }
        )
    return rows


def save(vault: Vault, path: Path, key: str) -> None:
    """Write a vault to a file, encrypted (AES-GCM) under a key of 16, 24 or 32 bytes."""
    path.write_bytes(Codec(key).encode(vault, FILE))


def restored(path: Path, key: str) -> Vault:
    """Read a vault back; raises ValueError if the file is not one, was changed, or has another key."""
    vault = Codec(key).decode(path.read_bytes(), FILE)
    if not isinstance(vault, Vault):
        raise ValueError(f"{path} is no vault")
    return vault
