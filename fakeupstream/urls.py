from django.urls import path

from fakeupstream import views
from oauth_app.limits import limited

app_name = "fakeupstream"

urlpatterns = [
    path("authorize", limited("authorize", views.authorize), name="authorize"),
    path("callback", views.callback, name="callback"),
]
