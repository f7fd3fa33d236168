"""Settings of a Django app as typed declarations: name, default, bounds and purpose of each in one place.

The system checks, the reading of the environment, `manage.py settings` and the tables of the documentation
follow from them. The apps of this project know nothing of each other, so each has a copy of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import Any, Generic, Self, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed

T = TypeVar("T")


@dataclass(eq=False)
class Setting(Generic[T]):
    """One setting, as an attribute of an `AppSettings`; its type is that of its default.

    Args:
        default: The value where the project's settings have none.
        help: What it is for, in Markdown.
        variable: The environment variable that sets it, if that is called differently.
        follows: What the project makes the default of, in Markdown, if it does.
        minimum, maximum: The bounds of a number.
        below: The attribute that must be greater than this one, and what would happen otherwise.
        up_to: The attribute that must be at least this one.
        must_be: What a string or a list must be, as in "a list of scopes", and whether a string, or an item
            of the list, is so.
        secret: Whether the value must not be shown.
        name: The name in Django's settings: by default the attribute's, in capitals, after the app's prefix.
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
        """The value. It becomes an attribute of the instance: Django's settings object is slow."""
        if app is None:
            return self
        value: T = getattr(settings, self.name, self.default)
        vars(app)[self.attribute] = value
        return value

    def fault(self, value: Any) -> str:
        """What a value must be, such as "a whole number of at least 1", if it is not; else nothing."""
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
                is_allowed = is_number and self.minimum <= value <= self.maximum  # as NaN is not
            case str():
                wanted, is_allowed = "a string", self._accepts(value)
            case Mapping():
                wanted, is_allowed = "a dictionary", isinstance(value, Mapping)
            case _:  # a string is a sequence, too: of its letters
                is_list = isinstance(value, Iterable) and not isinstance(value, str)
                wanted, is_allowed = "a list of strings", is_list and all(map(self._accepts, value))
        return "" if is_allowed else self.must_be[0] or wanted

    def _accepts(self, value: Any) -> bool:
        return isinstance(value, str) and self.must_be[1](value)


class AppSettings:
    """The settings of an app: read at their first use, and again after a test has overridden any."""

    prefix = ""

    def __init__(self) -> None:
        setting_changed.connect(self.forget)

    def forget(self, **kwargs: Any) -> None:
        """Read everything anew at its next use."""
        vars(self).clear()

    @classmethod
    def declared(cls) -> list[Setting[Any]]:
        """All settings, in the order in which they stand."""
        return [member for member in vars(cls).values() if isinstance(member, Setting)]

    def faults(self) -> list[tuple[Setting[Any], str]]:
        """Each setting whose value cannot be, with a sentence."""
        return [
            (setting, f"{setting.name} must be {wanted}, not {getattr(self, setting.attribute)!r}.")
            for setting in self.declared()
            if (wanted := setting.fault(getattr(self, setting.attribute)))
        ]

    def contradictions(self) -> list[str]:
        """A sentence for each setting that does not fit another one, where there are no faults."""
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
