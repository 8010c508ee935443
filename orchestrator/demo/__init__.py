"""The logistics document agent, unguarded and guarded, side by side: `wardline demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def main(documents: int = 120, seed: int = 7, faults: str = "rough", traces: Path | None = None) -> int:
    """Run both and print what was measured; the guarded run's events go to `traces`, if that is named.

    Returns 0 if the guarded run passed no malformed value on and sent no value of the masked kinds, else 1.
    """
    from orchestrator.demo.documents import shipments
    from orchestrator.demo.report import dearest, head, kept, measure, table
    from orchestrator.demo.resilience import told, ways_on

    papers = list(shipments(documents, seed))
    unguarded = measure(papers, faults, seed, guards=False)
    guarded = measure(papers, faults, seed, guards=True, traces=traces)
    print(head(papers, faults, seed))
    print()
    print(table(unguarded, guarded))
    print()
    print(told(ways_on(papers, faults, seed)))
    if traces is not None:
        print()
        print(dearest(traces))
    return 0 if kept(guarded) else 1
