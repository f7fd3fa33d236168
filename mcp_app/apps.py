from django.apps import AppConfig


class McpAppConfig(AppConfig):
    name = "mcp_app"
    verbose_name = "MCP"
    writes_while_serving = True  # see mcp_app.readiness

    def ready(self) -> None:
        from mcp_app import checks, server_checks, withdrawal  # noqa: F401 - the checks register themselves

        withdrawal.connect()
