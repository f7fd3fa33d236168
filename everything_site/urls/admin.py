"""Django's admin, with limits for its two forms in which a password can be guessed."""

from django.contrib import admin
from django.urls import path

from everything_site.accounts.password_limits import entered_name, own_name, password_limited, sign_in_logged

urlpatterns = [
    path("login/", sign_in_logged(password_limited(admin.site.login, entered_name))),
    path(
        "password_change/",
        admin.site.admin_view(password_limited(admin.site.password_change, own_name), cacheable=True),
    ),
    path("", admin.site.urls),
]
