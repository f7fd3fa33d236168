"""What the page about a rejected authorization request says, and what the user can do."""

from __future__ import annotations

from oauth_app.scopes import scopes

SENTENCES = {
    "Missing client_id parameter.": "The request had no client_id.",
    "Invalid client_id parameter value.": (
        "This app is not registered here, or its registration has expired."
    ),
    "Missing redirect URI.": (
        "The app registered several addresses, and did not say which one to send you back to."
    ),
    "Mismatching redirect URI.": (
        "The app asked to send you to an address that it did not register. "
        "Nothing was granted, and you were not sent there."
    ),
    "The user denied access.": "You denied access, and nothing was granted.",
}
"""What the page says instead of the descriptions of some errors."""


ADVICE = {
    "Missing client_id parameter.": (
        "Open the app and connect it to this server from there: this page works only as a step on the way."
    ),
    "Invalid client_id parameter value.": (
        "In the app, remove this server and add it again: it then registers again."
    ),
    "The user denied access.": "To change your mind, connect the app again.",
}
"""What the user can do about some errors."""

GENERAL_ADVICE = (
    "Go back to the app and connect again. "
    "If this page returns, send what it says to the developers of the app."
)

ERROR_DESCRIPTIONS = {
    "access_denied": "The user denied access.",
    "consent_required": "The user is asked for consent every time, which prompt=none does not allow.",
    "login_required": "The user must sign in, which prompt=none does not allow.",
    "unsupported_response_type": "response_type must be code.",
    "unauthorized_client": "response_type must be code.",
}
"""Descriptions of errors that are raised without one."""


def advice(description: str) -> str:
    """What the user can do about an error with this description."""
    return ADVICE.get(description, GENERAL_ADVICE)


def description(error: str) -> str:
    """What to say of an error that was raised without a description."""
    if error == "invalid_scope":
        return f"The scopes of this server are: {', '.join(scopes())}."
    return ERROR_DESCRIPTIONS.get(error, "")
