"""Tokens that a command issues."""

from django.contrib.auth import get_user_model

from oauth_app.issuing import issue_access_token
from oauth_app.models import AccessToken, Client


def test_it_is_a_token_as_any_other_for_this_user_and_all_scopes(db, verify):
    alice = get_user_model().objects.create_user("alice")
    token = issue_access_token(alice)
    found = verify(token)
    assert found.subject == str(alice.pk)
    assert {"mcp", "mcp:admin"} <= set(found.scopes)
    assert not AccessToken.objects.filter(token=token).exists(), "only its checksum is stored"
    alice.is_active = False
    alice.save()
    assert verify(token) is None


def test_disabling_its_client_ends_it(db, verify):
    token = issue_access_token(get_user_model().objects.create_user("alice"))
    Client.objects.get().disable()
    assert verify(token) is None
