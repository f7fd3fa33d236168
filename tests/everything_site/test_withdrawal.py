"""The signal of the authorization server reaches the engine of the same project by the verifier alone."""

from mcp_app import withdrawal
from oauth_app.signals import access_withdrawn
from oauth_app.verifier import DatabaseTokenVerifier


def test_the_engine_listens_to_what_the_authorization_server_withdraws():
    assert DatabaseTokenVerifier.access_withdrawn is access_withdrawn
    answers = access_withdrawn.send_robust(
        sender=None, checksums=[], grants=[], ended=[], usernames={}, issuer=""
    )
    assert withdrawal.end_access in dict(answers)
    assert set(dict(answers).values()) == {None}, "no receiver failed"


def test_the_subjects_of_its_tokens_are_users_of_this_project(settings):
    assert DatabaseTokenVerifier.subjects_are_users
    assert set(DatabaseTokenVerifier.issued_scopes()) == {"mcp", "offline_access", *settings.OAUTH_SCOPES}
