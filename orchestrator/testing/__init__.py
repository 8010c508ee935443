"""The fault-injection kit: a guard, a chain or a policy, driven by a script in virtual time."""

from orchestrator.testing._play import Late, Outcome, play, say

__all__ = ["Late", "Outcome", "play", "say"]
