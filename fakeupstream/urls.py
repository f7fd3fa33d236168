from django.urls import path

from fakeupstream import views

app_name = "fakeupstream"

urlpatterns = [
    path("authorize", views.authorize, name="authorize"),
    path("callback", views.callback, name="callback"),
]
