"""The tour: its groups, and the pages of each in order."""

from __future__ import annotations

from tests.tour.page import Feature
from tests.tour.pages import access, changes, contents, extensions, questions, transport

GROUPS: dict[str, tuple[Feature, ...]] = {
    "Signing in": (access.sign_in, access.refresh_and_revocation, access.step_up),
    "Sessions": (transport.session, transport.no_session, transport.batches, transport.http_sse),
    "Tools and content": (contents.tools, contents.content, extensions.apps),
    "Time": (
        transport.progress,
        transport.progress_in_words,
        transport.cancellation,
        transport.cancellation_by_closing,
    ),
    "Streams that break": (transport.resumption,),
    "Resources": (
        contents.resources,
        contents.files_of_a_session,
        changes.subscriptions,
        changes.listening,
    ),
    "Prompts and logging": (contents.prompts, changes.logging, changes.simulations),
    "The server asks": (
        questions.sampling,
        questions.sampling_with_tools,
        questions.elicitation,
        questions.a_page_to_visit,
        questions.rounds,
    ),
    "Tasks and skills": (extensions.tasks, extensions.a_task_with_an_effect, extensions.skills),
}

FEATURES: tuple[Feature, ...] = tuple(feature for group in GROUPS.values() for feature in group)
