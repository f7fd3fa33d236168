from django.apps import AppConfig


class FakeUpstreamConfig(AppConfig):
    name = "fakeupstream"
    verbose_name = "Fake identity provider"
