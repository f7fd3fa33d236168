from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    name = "everything_site.workbench"
    label = "workbench"
    verbose_name = "Workbench"
