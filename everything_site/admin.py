"""The admin of users, which also counts the private notes that are deleted with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from everything_site import people
from everything_site.demo.models import Note

User = get_user_model()
admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]
    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        """Include the notes, of which the confirmation shows the number but not the content."""
        users = list(objs)
        deleted, counts, perms_needed, protected = super().get_deleted_objects(users, request)
        if number := people.notes_of(users).count():
            one, many = str(Note._meta.verbose_name), str(Note._meta.verbose_name_plural)
            deleted = [*deleted, f"{number} private {one if number == 1 else many}"]
            counts = {**counts, many: number}
            if not request.user.has_perm("demo.delete_note"):
                perms_needed = {*perms_needed, one}
        return deleted, counts, perms_needed, protected
