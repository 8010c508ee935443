"""Who shares what several calls share: one run, a session, a user, or all whose run has the same tag."""

from __future__ import annotations

from hashlib import blake2b

from guards._types import Run


def account(run: Run, per: str, tag: str = "", apart: str = "") -> str:
    """A key for who shares, which names nobody; what is `apart` keeps different accounts."""
    if per == "tag":
        who = run.tags.get(tag, "")
    else:
        who = run.request_id if per == "run" else run.session if per == "session" else run.user
    told = blake2b(f"{apart}{who}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{per}:{told}"


def checked_tag(per: str, tag: str) -> None:
    """Raises ValueError for a tag without `per: tag`, and the other way round."""
    if (per == "tag") != bool(tag):
        raise ValueError("tag names the run's tag that shares the account; it goes with `per: tag`")
