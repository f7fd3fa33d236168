"""The URLs of the workbench, the same in integrated and in separate mode."""

from django.urls import path

from everything_site.workbench import views
from everything_site.workbench.frame import frame

app_name = "workbench"

urlpatterns = [
    path("try", views.workbench, name="workbench"),
    path("try/callback", views.callback, name="callback"),
    path("try/frame", frame, name="frame"),
]
