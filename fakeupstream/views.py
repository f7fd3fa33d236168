"""The fake identity provider: a page on which anyone is whoever they say, as a demonstration needs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from fakeupstream import provider, sign_in
from fakeupstream.forms import WhoForm
from oauth_app.conf import conf

log = logging.getLogger("oauth_app")

BACKEND = "django.contrib.auth.backends.ModelBackend"


def in_use(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The view, while people are sent here to sign in: beside another provider it would be a way around."""

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
    """Ask who it is, and send the browser back with a code.

    The `state` is what keeps forged forms out (RFC 6749 §10.12): it is good only in the browser that has its
    cookie. Django's CSRF token changes when another tab signs in, and the tabs before it would fail.
    """
    state = request.GET.get("state", "")
    if not state:
        return sign_in.begin(request, "/")
    if sign_in.next_url(request, state) is None:
        return _gone(request)
    form = WhoForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        answer = urlencode({"code": provider.code_for(form.who, state), "state": state})
        return HttpResponseRedirect(f"{reverse('fakeupstream:callback')}?{answer}")
    context = {"form": form, "people": provider.PEOPLE, "action": request.get_full_path()}
    return render(request, "fakeupstream/authorize.html", context, status=400 if form.errors else 200)


@in_use
@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Sign in the person for whom the provider vouches, and go on to where they were going."""
    state = request.GET.get("state", "")
    username = provider.username_of(request.GET.get("code", ""), state)
    going = sign_in.next_url(request, state)
    if username is None or going is None:
        log.warning("sign-in failed", extra={"reason": "unknown state or code"})
        return _gone(request)
    return _signed_in(request, username, going, state)


def _signed_in(request: HttpRequest, username: str, going: str, state: str) -> HttpResponse:
    again = f"{reverse('fakeupstream:authorize')}?{urlencode({'state': state})}"
    try:
        user = provider.find_or_create(username)
    except provider.NotOurs:
        log.warning("sign-in failed", extra={"reason": "an account of this server", "username": username})
        return _refused(
            request, "This name belongs to an account of this server. Choose another one.", 403, again
        )
    if not user.is_active:
        log.warning("sign-in failed", extra={"reason": "disabled", "username": username})
        return _refused(request, "This account has been disabled.", 403, again)
    # Signing in again would change the CSRF token, and forms in other tabs would be refused.
    if request.user != user:
        login(request, user, backend=BACKEND)
    log.info("signed in", extra={"user": user.pk, "username": username})
    response = HttpResponseRedirect(going)
    sign_in.end(response, state)
    return response


def _gone(request: HttpRequest) -> HttpResponse:
    return _refused(
        request,
        "This sign-in was not started in this browser, or it is already over. "
        "Go back to the application and connect again.",
        400,
    )


def _refused(request: HttpRequest, reason: str, status: int, again: str | None = None) -> HttpResponse:
    """The page of a refusal; `again` leads back to the form, if the sign-in can go on."""
    context = {"reason": reason, "again": again}
    return render(request, "fakeupstream/refused.html", context, status=status)
