"""The embedded simulated provider: reads its input by rules, and fails as real ones do, from a seed."""

from orchestrator.sim.faults import FAULTS, PROFILES, Profile
from orchestrator.sim.provider import Answer, Provider, SimStatus, SimTimeout, Tier

__all__ = ["FAULTS", "PROFILES", "Answer", "Profile", "Provider", "SimStatus", "SimTimeout", "Tier"]
