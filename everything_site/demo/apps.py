from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "everything_site.demo"
    label = "demo"
    verbose_name = "Demonstration"
