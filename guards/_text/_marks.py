"""Untrusted text marked as such: its words joined by a sign that whoever wrote it could not know.

Datamarking, after Hines et al. 2024, Defending Against Indirect Prompt Injection With Spotlighting.
"""

from __future__ import annotations

from hashlib import blake2b

from guards._types import Call

SIGNS = "^~|\u02c6\u00a6\u2022\u203b\u2020"
"""What a sign is made of."""


def datamarked(text: str, sign: str) -> str:
    """The text with the sign in place of every stretch of white space, and nowhere else."""
    if sign in text:
        # Taking out the sign alone could bring its two halves together again.
        text = text.replace(sign[0], "")
    return sign.join(text.split())


def sign_of(call: Call) -> str:
    """Two signs for all texts of a call's run."""
    name = f"{call.run.session}:{call.run.request_id}".encode("utf-8", "surrogatepass")
    first, second = blake2b(name, digest_size=2).digest()
    return SIGNS[first % len(SIGNS)] + SIGNS[second % len(SIGNS)]
