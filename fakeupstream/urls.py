from django.urls import path

from fakeupstream import views
from oauth_app.http.rate_limits import rate_limited

app_name = "fakeupstream"

urlpatterns = [
    path("authorize", rate_limited("sign_in", views.authorize), name="authorize"),
    path("callback", rate_limited("sign_in", views.callback), name="callback"),
]
