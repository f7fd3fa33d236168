"""The tour: its pages in order."""

from __future__ import annotations

from tests.tour.page import Feature
from tests.tour.pages import access, changes, contents, extensions, questions, transport

FEATURES: tuple[Feature, ...] = (
    access.sign_in,
    access.refresh_and_revocation,
    transport.session,
    transport.no_session,
    contents.tools,
    contents.content,
    transport.progress,
    transport.progress_in_words,
    transport.resumption,
    transport.cancellation,
    transport.cancellation_by_closing,
    contents.resources,
    contents.files_of_a_session,
    changes.subscriptions,
    changes.listening,
    contents.prompts,
    changes.logging,
    changes.simulations,
    questions.sampling,
    questions.sampling_with_tools,
    questions.elicitation,
    questions.a_page_to_visit,
    questions.rounds,
    extensions.tasks,
    extensions.a_task_with_an_effect,
    extensions.skills,
    extensions.apps,
    access.step_up,
    transport.batches,
    transport.http_sse,
)
