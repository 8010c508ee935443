"""How calls move: compose guards, drive them, and stand at every boundary."""

from orchestrator._engine.chain import chain
from orchestrator._engine.clock import RealClock, VirtualClock
from orchestrator._engine.drive import World, arun, run
from orchestrator._engine.orchestrator import Orchestrator
from orchestrator._engine.session import bind

__all__ = ["Orchestrator", "RealClock", "VirtualClock", "World", "arun", "bind", "chain", "run"]
