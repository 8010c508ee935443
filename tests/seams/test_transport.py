"""The providers' own SDKs, through the transport, against the simulated provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from orchestrator import Orchestrator
from tests.seams.scenarios import SCENARIOS, Place, Scenario, run


@contextmanager
def transport(policy: Path, upstream: str) -> Iterator[Place]:
    gate = Orchestrator.from_policy(policy)

    # The upstream speaks plain HTTP, and a list of authorities takes long to load.
    yield Place(
        upstream,
        lambda: gate.client(httpx2.HTTPTransport(verify=False)),
        lambda: gate.async_client(httpx2.AsyncHTTPTransport(verify=False)),
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_real_sdks_pass_the_table_through_the_transport(scenario: Scenario, tmp_path: Path) -> None:
    run(scenario, transport, tmp_path)
