"""The providers' own SDKs, through the gateway, against the simulated provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.gateway.serving import gateway
from tests.seams.scenarios import SCENARIOS, Place, Scenario, run


@contextmanager
def through(policy: Path, upstream: str) -> Iterator[Place]:
    # The gateway speaks plain HTTP here, and a list of authorities takes long to load.
    with gateway(upstream, str(policy)) as url:
        yield Place(url, lambda: httpx2.Client(verify=False), lambda: httpx2.AsyncClient(verify=False))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_real_sdks_pass_the_table_through_the_gateway(scenario: Scenario, tmp_path: Path) -> None:
    run(scenario, through, tmp_path)
