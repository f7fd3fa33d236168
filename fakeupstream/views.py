"""The fake identity provider: a page on which anyone can sign in as anyone, for demonstrations."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.contrib.auth import login, user_login_failed
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from fakeupstream import provider, sign_in
from fakeupstream.forms import WhoForm
from oauth_app.conf import conf
from oauth_app.endpoints.consent import asking_client

log = logging.getLogger("oauth_app")

BACKEND = "django.contrib.auth.backends.ModelBackend"


def in_use(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The view, unless another identity provider is used: it would be a way around that."""

    @wraps(view)
    def view_in_use(request: HttpRequest) -> HttpResponse:
        if conf.sign_in is not sign_in.begin:
            raise Http404
        return view(request)

    return view_in_use


@csrf_exempt
@in_use
@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Ask who to sign in as, and redirect back with a code.

    The `state` protects against CSRF (RFC 6749 §10.12): it is valid only in the browser that has its cookie.
    Django's CSRF token changes when another tab signs in, which would break the tabs opened before.
    """
    state = request.GET.get("state", "")
    if not state:
        return sign_in.begin(request, "/")
    next_url = sign_in.next_url(request, state)
    if next_url is None:
        return _expired(request)
    form = WhoForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        answer = urlencode({"code": provider.code_for(form.username, state), "state": state})
        return HttpResponseRedirect(f"{reverse('fakeupstream:callback')}?{answer}")
    context = {
        "form": form,
        "users": provider.USERS,
        "action": request.get_full_path(),
        "client_name": asking_client(next_url),
    }
    return render(request, "fakeupstream/authorize.html", context, status=400 if form.errors else 200)


@in_use
@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Sign in the user identified by the code, and redirect to the original URL."""
    state = request.GET.get("state", "")
    username = provider.username_of(request.GET.get("code", ""), state)
    target = sign_in.next_url(request, state)
    if username is None or target is None or not provider.is_first_use(request.GET["code"]):
        log.warning("sign-in failed", extra={"reason": "unknown state, or code unknown or used"})
        _failed(request, username or "", "unknown state, or code unknown or used")
        return _expired(request)
    return _signed_in(request, username, target, state)


def _signed_in(request: HttpRequest, username: str, target: str, state: str) -> HttpResponse:
    again = f"{reverse('fakeupstream:authorize')}?{urlencode({'state': state})}"
    try:
        user = provider.find_or_create(username)
    except provider.ProtectedAccount:
        log.warning("sign-in failed", extra={"reason": "protected account", "username": username})
        _failed(request, username, "protected account")
        return _refused(
            request,
            "This name belongs to an account with a password or permissions. Choose another one.",
            403,
            again,
        )
    if not user.is_active:
        log.warning("sign-in failed", extra={"reason": "disabled", "username": username})
        _failed(request, username, "disabled")
        return _refused(request, "This account has been disabled.", 403, again)
    # Signing in again would change the CSRF token, and forms in other tabs would be refused.
    if request.user != user:
        login(request, user, backend=BACKEND)
    log.info("signed in", extra={"user": user.pk, "username": username})
    response = HttpResponseRedirect(target)
    sign_in.end(response, state)
    return response


def _failed(request: HttpRequest, username: str, reason: str) -> None:
    """Send the signal that Django sends for a wrong password."""
    user_login_failed.send(
        sender=__name__, credentials={"username": username}, request=request, reason=reason
    )


def _expired(request: HttpRequest) -> HttpResponse:
    return _refused(
        request,
        "This sign-in was not started in this browser, or is already complete. "
        "Go back to the app and connect again.",
        400,
    )


def _refused(request: HttpRequest, reason: str, status: int, again: str | None = None) -> HttpResponse:
    """The error page; `again` links back to the form, if the sign-in can continue."""
    context = {"reason": reason, "again": again}
    return render(request, "fakeupstream/refused.html", context, status=status)
