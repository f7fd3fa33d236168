"""The toolkit's own housekeeping commands work on the swapped models."""

from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from oauth_app.models import AccessToken, Grant, RefreshToken
from tests.oauth_app import flow


def test_a_working_connection_is_left_alone(alice, verify):
    call_command("cleartokens")
    assert verify(alice.access)
    assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 200


def test_what_expired_long_ago_goes(alice):
    flow.refresh(alice.http, alice.client_id, alice.refresh)
    long_ago = timezone.now() - timedelta(days=30)
    AccessToken.objects.update(expires=long_ago)
    RefreshToken.objects.update(expires=long_ago)
    Grant.objects.update(expires=long_ago)
    call_command("cleartokens")
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.exists()
    assert not Grant.objects.exists()
