"""What to ask a model that is connected to this server; directories want three to ten examples."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """
    Attributes:
        prompt: What to type.
        tool: The tool that the model should call.
        shows: What happens then.
    """

    prompt: str
    tool: str
    shows: str


EXAMPLES = (
    Example(
        "Save a note with the title “Groceries” that says: milk, bread and apples.",
        "create-note",
        "A note is stored for you; nobody else can read it, and it becomes a resource of the server.",
    ),
    Example(
        "Change my note “Groceries”: I need pears, too.",
        "edit-note",
        "The model finds the note among your resources and changes its text.",
    ),
    Example(
        "What is the weather in Chicago?",
        "get-structured-content",
        "Made-up weather as structured data that matches the output schema of the tool.",
    ),
    Example(
        "Start an operation that takes ten seconds in five steps, and tell me how it goes.",
        "longRunningOperation",
        "The server reports progress with each step; you can cancel it.",
    ),
    Example(
        "Ask me a few questions with a form, then repeat my answers.",
        "elicitInputs",
        "The server asks you through your client, if that supports elicitation.",
    ),
    Example(
        "Compress the text “Hello from Everything Server” into a file that I can download.",
        "gzip-file-as-resource",
        "The compressed file is a resource of this session, or comes with the answer.",
    ),
)
