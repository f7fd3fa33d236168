from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class OAuthAppConfig(AppConfig):
    name = "oauth_app"
    verbose_name = "OAuth authorization server"
    default_auto_field = "django.db.models.BigAutoField"
    writes_while_serving = True
    """For probes of readiness: the role needs the right to write the tables of this app."""

    def import_models(self) -> None:
        """Import them, if the app is there that they extend; without it, its models could not be imported."""
        if self.apps is None or not self.apps.is_installed("oauth2_provider"):
            raise ImproperlyConfigured('INSTALLED_APPS has "oauth_app", so it needs "oauth2_provider", too.')
        super().import_models()

    def ready(self) -> None:
        from oauth_app import checks, receivers  # noqa: F401 - importing the checks registers them

        receivers.connect()
