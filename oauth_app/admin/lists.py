"""Lists of the admin that withstand forged requests: impossible keys, and filters that no page offers."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.models import DELETION, LogEntry
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

_COMPARISONS = frozenset({"exact", "in", "isnull", "gte", "lt"})
_PARTS_OF_DATES = frozenset({"year", "month", "day"})

_BEYOND_INTEGERS = re.compile(r"\d{19}")
"""A number that may not fit into 64 bits, for which SQLite fails. No key or other number here is so long."""


class ListAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A `ModelAdmin` with safe lists."""

    class Media:
        css = {"all": ["oauth_app/admin.css"]}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, by the name of its rows: "Clients" rather than "Select client to change"."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Whether a parameter of the URL may filter the list: only in the way that its filters do.

        A list that can be filtered by anything else tells it, character by character, to whoever may view it;
        and some lookups fail for some values.
        """
        if "\0" in str(value) or _BEYOND_INTEGERS.search(str(value)):
            return False
        return self._is_offered(*lookup.split(LOOKUP_SEP)) and super().lookup_allowed(lookup, value, request)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run an action, but not for keys that no row can have: the query for some would fail."""
        form = request.POST.copy()
        keys = [str(key) for key in form.getlist(helpers.ACTION_CHECKBOX_NAME)]
        form.setlist(helpers.ACTION_CHECKBOX_NAME, [key for key in keys if self._is_key(key)])
        request.POST = form  # type: ignore[assignment]
        return super().response_action(request, queryset, *args, **kwargs)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[LogEntry]:
        """Note each of several deletions by itself: Django sends no signals for what it creates in bulk."""
        log = LogEntry.objects.log_actions
        by = str(request.user.pk)
        return [log(by, [row], DELETION, single_object=True) for row in queryset]

    def _is_key(self, text: str) -> bool:
        try:
            self.opts.pk.clean(text, None)
        except ValidationError:
            return False
        return "\0" not in text

    def _is_offered(self, name: str, *lookups: str) -> bool:
        """Whether a filter, the date hierarchy or a link filters by a field in this way."""
        try:
            field = self.opts.pk if name == "pk" else self.opts.get_field(name)
        except FieldDoesNotExist:
            return True  # refused elsewhere
        if field.is_relation:  # Django refuses most lookups across relations
            return len(lookups) < 2 or lookups[-1] in _COMPARISONS
        if name == self.date_hierarchy:
            return {*lookups} <= _COMPARISONS | _PARTS_OF_DATES
        return (field is self.opts.pk or name in self.list_filter) and {*lookups} <= _COMPARISONS
