from django import forms
from django.contrib.auth.forms import UsernameField
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from fakeupstream.names import fault
from fakeupstream.provider import USERS


def validate_name(name: str) -> None:
    if reason := fault(name):
        raise ValidationError(reason)


class WhoForm(forms.Form):
    """Who to sign in as: a listed user, or an entered name."""

    person = forms.ChoiceField(choices=[(name, name) for name in USERS], required=False)
    name = UsernameField(  # normalised (NFKC), as in Django's own forms
        label="Another name",
        help_text=format_html("Letters of one alphabet, digits and <code>{}</code>; no spaces.", "@ . + - _"),
        max_length=50,
        required=False,
        validators=[validate_name],
    )

    def clean(self) -> dict[str, str]:
        cleaned = super().clean() or {}
        if not self.errors and not (cleaned.get("person") or cleaned.get("name")):
            self.add_error("name", "Choose a user or enter a name.")
        return cleaned

    @property
    def username(self) -> str:
        return self.cleaned_data["person"] or self.cleaned_data["name"]
