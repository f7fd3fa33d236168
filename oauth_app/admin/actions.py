"""Actions of the admin that say what they will do, and ask, before they do it.

They are offered for the selected rows of a list, and as buttons on the page of a row, which submit the form
of the list. Nothing is changed by a GET.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin import helpers
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from oauth_app.admin.lists import ListAdmin
from oauth_app.models import AccessToken, RefreshToken, is_of_missing_row

_NAMED = 20
"""How many of the rows the page names."""

_LISTED = 500
"""How many rows the form lists; Django accepts 1,000 fields. More are selected by the filters of the list."""

Action = TypeVar("Action", bound=Callable[..., Any])


@dataclass(frozen=True)
class Question:
    """The texts of the confirmation page: a title, what will happen, and the label of the button.

    What will happen is only found out in order to say it: that may take long, or fail.
    """

    title: str
    consequences: Callable[[], Sequence[str]]
    button: str


def button(label: str) -> Callable[[Action], Action]:
    """Offer an action on the page of a row, too, under this label."""

    def labelled(action: Action) -> Action:
        action.button = label  # type: ignore[attr-defined]
        return action

    return labelled


def counted(number: int, noun: str) -> str:
    """For example "1 client" or "2 clients"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def revoked(tokens: tuple[QuerySet[AccessToken], QuerySet[RefreshToken]], other: str) -> str:
    """How many tokens will be revoked.

    Args:
        tokens: The access and the refresh tokens.
        other: Whose they are: "user" or "application".
    """
    access, refresh = tokens
    others = {pk for tokens in (access, refresh) for pk in tokens.values_list(other, flat=True)}
    if not others:
        return "There is no access to revoke."
    noun = "client" if other == "application" else other
    return (
        f"{counted(access.count(), 'access token')} and {counted(refresh.count(), 'refresh token')} of "
        f"{counted(len(others), noun)} will be revoked, and what runs with them ends at once."
    )


class AskingAdmin(ListAdmin):
    """A base class with actions that ask first, and with an answer if a row is deleted while it is edited."""

    change_form_template = "admin/oauth_app/change_form.html"

    def ask(
        self, request: HttpRequest, rows: Sequence[Any], action: str, question: Question
    ) -> HttpResponse | None:
        """The confirmation page; None if the user has confirmed."""
        if "confirmed" in request.POST:
            return None
        is_listed = len(rows) <= _LISTED
        context = {
            **self.admin_site.each_context(request),
            "title": question.title,
            "consequences": question.consequences(),
            "button": question.button,
            "opts": self.opts,
            "action": action,
            "named": rows[:_NAMED],
            "more": max(0, len(rows) - _NAMED),
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
            "listed": rows if is_listed else rows[:1],
            "across": 0 if is_listed else 1,
        }
        return TemplateResponse(request, "admin/oauth_app/confirm.html", context)

    def offers(self, action: str, row: Any) -> bool:
        """Whether the page of a row has the button of an action."""
        return True

    def _actions(self, request: HttpRequest) -> dict[str, Callable[..., Any]]:
        """The actions that the user may use, by name."""
        found: dict[str, Any] = self.get_actions(request)
        # Django 6.1 has an object in place of the tuple.
        return {name: getattr(action, "func", None) or action[0] for name, action in found.items()}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {
                "checkbox": helpers.ACTION_CHECKBOX_NAME,
                "buttons": [
                    (name, label)
                    for name, action in self._actions(request).items()
                    if (label := getattr(action, "button", None)) and self.offers(name, obj)
                ],
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except DatabaseError as error:
            if not is_of_missing_row(error):
                raise
        name = self.opts.verbose_name
        self.message_user(
            request, f"The {name} was deleted while you edited it. Nothing was saved.", messages.ERROR
        )
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    def each(
        self, request: HttpRequest, rows: Iterable[Any], change: Callable[[Any], None], note: str
    ) -> int:
        """Change each row that still exists, and note it in the log of the admin. Returns how many."""
        changed = 0
        for row in rows:
            try:
                change(row)
            except DatabaseError as error:
                if not is_of_missing_row(error):
                    raise
                continue  # deleted by somebody else
            self.log_change(request, row, note)
            changed += 1
        return changed
