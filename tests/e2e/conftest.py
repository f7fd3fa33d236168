"""What the end-to-end tests share: two deployments of real processes, which nobody restarts.

Each test runs against both: the MCP server as its own authorization server, and two MCP servers beside an
authorization server (AUTH_MODE=separate).
"""

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment, deployment


@pytest.fixture(scope="session", params=["integrated", "separate"])
def site(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """Two Daphne processes behind a proxy that alternates between them, with every tool there is."""
    with deployment(separate=request.param == "separate", CONFORMANCE_FIXTURES="1") as made:
        yield made
