"""The memory store against a dictionary, in any order of updates."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from orchestrator.stores.memory import Memory

KEYS = st.sampled_from(["a", "b", "c"])


class MemoryIsADictionary(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store, self.model = Memory(), dict[str, Any]()

    @rule(key=KEYS, value=st.none() | st.integers())
    def put(self, key: str, value: Any) -> None:
        before = self.model.pop(key, None)
        assert self.store.update(key, lambda state: (value, state)) == before
        if value is not None:
            self.model[key] = value

    @rule(key=KEYS)
    def fail(self, key: str) -> None:
        with pytest.raises(ZeroDivisionError):
            self.store.update(key, lambda state: 1 / 0)
        assert self.store.update(key, lambda state: (state, state)) == self.model.get(key)

    @rule()
    def holds_nothing_else(self) -> None:
        assert {key for key in "abc" if self.store.update(key, lambda s: (s, s)) is not None} == set(
            self.model
        )


TestMemory = MemoryIsADictionary.TestCase
TestMemory.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
