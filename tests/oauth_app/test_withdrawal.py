import pytest
from django.contrib.auth.models import User

from oauth_app.models import AccessToken, Client, RefreshToken
from oauth_app.secrets import checksum
from oauth_app.signals import access_withdrawn
from tests.oauth_app import flow


@pytest.fixture
def withdrawn(django_capture_on_commit_callbacks):
    """Run something, and see the checksums that were announced when its transaction was over."""
    announced = []

    def receiver(checksums, **kwargs):
        announced.extend(checksums)

    def after(action):
        with django_capture_on_commit_callbacks(execute=True):
            action()
            assert not announced, "nothing is announced before the commit"
        return set(announced)

    access_withdrawn.connect(receiver)
    yield after
    access_withdrawn.disconnect(receiver)


def test_revocation_is_announced(alice, withdrawn):
    body = {"client_id": alice.client_id, "token": alice.refresh}
    assert withdrawn(lambda: alice.http.post("/revoke", body)) == {checksum(alice.access)}


def test_a_replay_is_announced_for_the_whole_family(alice, withdrawn):
    renewed = flow.refresh(alice.http, alice.client_id, alice.refresh).json()
    announced = withdrawn(lambda: flow.exchange(alice.http, alice.client_id, alice.code))
    assert announced == {checksum(alice.access), checksum(renewed["access_token"])}


@pytest.mark.parametrize(
    "action",
    [
        lambda: User.objects.get(username="alice").delete(),
        lambda: User.objects.filter(username="alice").delete(),
        lambda: Client.objects.get().delete(),
        lambda: AccessToken.objects.get().delete(),
        lambda: AccessToken.objects.get().revoke(),
    ],
    ids=["user", "users", "client", "token", "revoke"],
)
def test_deletion_is_announced(alice, withdrawn, action):
    assert withdrawn(action) == {checksum(alice.access)}


def test_disabling_a_person_is_announced(alice, withdrawn):
    user = User.objects.get(username="alice")
    user.is_active = False
    assert withdrawn(user.save) == {checksum(alice.access)}
    assert not AccessToken.objects.exists()


def test_disabling_a_client_is_announced(alice, withdrawn):
    client = Client.objects.get()
    client.is_enabled = False
    assert withdrawn(client.save) == {checksum(alice.access)}


def test_an_expired_token_goes_silently(alice, withdrawn):
    AccessToken.objects.update(expires="2020-01-01T00:00Z")
    assert withdrawn(lambda: AccessToken.objects.get().delete()) == set()


def test_saving_an_active_person_withdraws_nothing(alice, withdrawn):
    assert withdrawn(User.objects.get(username="alice").save) == set()
    assert AccessToken.objects.exists()


@pytest.fixture
def grants(django_capture_on_commit_callbacks):
    """Run something, and see the consents that were announced as withdrawn."""
    announced = set()

    def receiver(grants, **kwargs):
        announced.update(grants)

    def after(action):
        with django_capture_on_commit_callbacks(execute=True):
            action()
        return announced

    access_withdrawn.connect(receiver)
    yield after
    access_withdrawn.disconnect(receiver)


def _disable(row, field):
    setattr(row, field, False)
    row.save()


@pytest.mark.parametrize(
    "action",
    [
        lambda: _disable(User.objects.get(username="alice"), "is_active"),
        lambda: _disable(Client.objects.get(), "is_enabled"),
        lambda: User.objects.get(username="alice").delete(),
        lambda: Client.objects.get().delete(),
        lambda: RefreshToken.objects.get().revoke(),
    ],
    ids=["person disabled", "client disabled", "person deleted", "client deleted", "revoked"],
)
@pytest.mark.parametrize("access_is", ["current", "expired", "cleared"])
def test_the_end_of_a_consent_is_announced_whatever_became_of_its_access_token(
    alice, grants, verify, action, access_is
):
    family = str(AccessToken.objects.get().family)
    assert verify(alice.access).claims["grant"] == family
    if access_is != "current":
        AccessToken.objects.update(expires="2020-01-01T00:00Z")
    if access_is == "cleared":
        AccessToken.objects.all().delete()
    assert grants(action) == {family}


def test_a_refresh_withdraws_no_consent(alice, grants):
    assert grants(lambda: flow.refresh(alice.http, alice.client_id, alice.refresh)) == set()
