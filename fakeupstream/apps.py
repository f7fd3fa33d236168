from django.apps import AppConfig


class FakeUpstreamConfig(AppConfig):
    name = "fakeupstream"
    verbose_name = "Fake identity provider"

    def ready(self) -> None:
        from fakeupstream import checks  # noqa: F401 - importing the checks registers them
