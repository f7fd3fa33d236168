from django.apps import AppConfig


class OAuthAppConfig(AppConfig):
    name = "oauth_app"
    verbose_name = "OAuth authorization server"

    def ready(self) -> None:
        from oauth_app import checks, receivers  # noqa: F401 - importing registers them
