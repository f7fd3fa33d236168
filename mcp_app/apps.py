from django.apps import AppConfig


class McpAppConfig(AppConfig):
    name = "mcp_app"
    verbose_name = "MCP"

    def ready(self) -> None:
        from mcp_app import checks, withdrawal  # noqa: F401 - importing the checks registers them

        withdrawal.connect()
