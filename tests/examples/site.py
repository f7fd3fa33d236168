"""The project's settings, with the app of docs/examples/orders and its server."""

import sys

from everything_site.settings import *  # noqa: F403
from everything_site.settings import BASE_DIR, INSTALLED_APPS

sys.path.insert(0, str(BASE_DIR / "docs" / "examples"))
INSTALLED_APPS = [*INSTALLED_APPS, "orders"]
MCP_SERVER = "orders.mcp.build"
OAUTH_SCOPES = {"orders:write": "Refund orders"}
OAUTH_FURTHER_SCOPES = ["orders:write"]
