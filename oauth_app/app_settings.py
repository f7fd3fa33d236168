"""Typed declarations of a Django app's settings: name, default, limits and purpose in one place.

System checks, environment variables, `manage.py settings` and the tables of the documentation are derived
from them. The apps of this project do not depend on each other, so each has a copy of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import Any, Generic, Self, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.functional import Promise

T = TypeVar("T")


@dataclass(eq=False)
class Setting(Generic[T]):
    """One setting, as an attribute of an `AppSettings`; its type is that of its default.

    Args:
        default: The value if the project's settings have none.
        help: What it is for, in Markdown.
        variable: The environment variable, if its name is different.
        follows: What the project derives the default from, in Markdown, if it does.
        minimum, maximum: The limits of a number.
        below: The attribute that must be greater than this one, and what would happen otherwise.
        up_to: The attribute that must be at least this one.
        must_be: A description of valid values, as in "a list of scopes", and a function that validates a
            string, or an item of the list or dictionary.
        secret: Whether the value must not be shown.
        example: A value for a project that must set it, as text.
        derive: Computes the default from the other settings of the app, which it is called with.
        name: The name in Django's settings: by default the app's prefix and the attribute in upper case.
    """

    default: T
    help: str
    _: KW_ONLY
    variable: str = ""
    follows: str = ""
    minimum: float = 0
    maximum: float = inf
    below: tuple[str, str] | None = None
    up_to: str = ""
    must_be: tuple[str, Callable[[str], bool]] = ("", lambda text: True)
    secret: bool = False
    example: str = ""
    derive: Callable[[Any], T] | None = None
    name: str = ""

    def __set_name__(self, owner: type[AppSettings], attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or f"{owner.prefix}{attribute.upper()}"
        self.variable = self.variable or self.name

    @overload
    def __get__(self, app: None, owner: type) -> Self: ...
    @overload
    def __get__(self, app: AppSettings, owner: type) -> T: ...
    def __get__(self, app: AppSettings | None, owner: type) -> Self | T:
        """The value, cached as an attribute of the instance: Django's settings object is slow."""
        if app is None:
            return self
        value: T
        if self.derive is not None and not hasattr(settings, self.name):
            value = self.derive(app)
        else:
            value = getattr(settings, self.name, self.default)
        vars(app)[self.attribute] = value
        return value

    @property
    def line(self) -> str:
        """The line of settings.py with the example; empty without one."""
        return self.example and f'{self.name} = "{self.example}"'

    def fault(self, value: Any) -> str:
        """What a value must be, such as "a whole number of at least 1"; empty if it is valid."""
        match self.default:
            case bool():
                wanted, is_allowed = "true or false", isinstance(value, bool)
            case int() | float():
                is_whole = isinstance(self.default, int)
                bounds = f"of at least {self.minimum}"
                if self.maximum < inf:
                    bounds = f"from {self.minimum} to {self.maximum}"
                wanted = f"a {'whole ' * is_whole}number {bounds}"
                is_number = isinstance(value, int if is_whole else int | float) and not isinstance(
                    value, bool
                )
                is_allowed = is_number and self.minimum <= value <= self.maximum  # false for NaN
            case str():
                wanted, is_allowed = "a string", self._accepts(value)
            case Mapping():
                is_dictionary = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
                wanted = "a dictionary of strings"
                is_allowed = is_dictionary and all(
                    self._accepts(str(item) if isinstance(item, Promise) else item)  # may be translated
                    for item in value.values()
                )
            case _:  # a string would also be iterable
                is_list = isinstance(value, Iterable) and not isinstance(value, str)
                wanted, is_allowed = "a list of strings", is_list and all(map(self._accepts, value))
        return "" if is_allowed else self.must_be[0] or wanted

    def _accepts(self, value: Any) -> bool:
        return isinstance(value, str) and self.must_be[1](value)


class AppSettings:
    """The settings of an app, cached on first use until a test overrides any."""

    prefix = ""

    def __init__(self) -> None:
        setting_changed.connect(self.forget)

    def forget(self, **kwargs: Any) -> None:
        """Clear the cache."""
        vars(self).clear()

    @classmethod
    def declared(cls) -> list[Setting[Any]]:
        """All settings, in the order of their declaration; those of base classes come last."""
        return [member for kind in cls.mro() for member in vars(kind).values() if isinstance(member, Setting)]

    def faults(self) -> list[tuple[Setting[Any], str]]:
        """Each setting with an invalid value, with a message."""
        found: list[tuple[Setting[Any], str]] = []
        for setting in self.declared():
            value = getattr(self, setting.attribute)
            if wanted := setting.fault(value):
                given = "" if setting.secret and value else f", not {value!r}"
                found.append((setting, f"{setting.name} must be {wanted}{given}."))
        return found

    def contradictions(self) -> list[str]:
        """A message for each setting that contradicts another one. Call it only if there are no faults."""
        found: list[str] = []
        for setting in self.declared():
            other, otherwise = setting.below or (setting.up_to, "")
            value, limit = getattr(self, setting.attribute), getattr(self, other) if other else inf
            if other and (value > limit or (setting.below and value == limit)):
                relation = "less than" if setting.below else "at most"
                reason = f": {otherwise}" if otherwise else ""
                name = getattr(type(self), other).name
                found.append(
                    f"{setting.name} ({value:.15g}) must be {relation} {name} ({limit:.15g}){reason}."
                )
        return found
