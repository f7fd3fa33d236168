from django import forms
from django.contrib.auth.validators import ASCIIUsernameValidator

from fakeupstream.provider import PEOPLE


class WhoForm(forms.Form):
    """Who to be: one of the people on a button, or a name that is typed."""

    person = forms.ChoiceField(choices=[(name, name) for name in PEOPLE], required=False)
    name = forms.CharField(
        label="Another name",
        max_length=50,
        required=False,
        validators=[ASCIIUsernameValidator()],
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )

    def clean(self) -> dict[str, str]:
        cleaned = super().clean() or {}
        if not self.errors and not (cleaned.get("person") or cleaned.get("name")):
            self.add_error("name", "Pick a person or type a name.")
        return cleaned

    @property
    def who(self) -> str:
        return self.cleaned_data["person"] or self.cleaned_data["name"]
