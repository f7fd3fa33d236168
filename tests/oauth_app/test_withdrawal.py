import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.test.utils import isolate_apps
from django.utils import timezone

from oauth_app import receivers
from oauth_app.models import AccessToken, AccessTokens, Client, RefreshToken, end_access, end_families
from oauth_app.secrets import checksum
from oauth_app.signals import access_withdrawn
from tests.oauth_app import flow


@pytest.fixture
def ended(django_capture_on_commit_callbacks):
    """Run something and return the access that it announced as ended."""

    def after(action):
        announced = []

        def receiver(ended, **kwargs):
            announced.extend(ended)

        access_withdrawn.connect(receiver)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                action()
        finally:
            access_withdrawn.disconnect(receiver)
        return announced

    return after


@pytest.fixture
def withdrawn(django_capture_on_commit_callbacks):
    """Run something and return the checksums announced when its transaction was committed."""
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


@pytest.mark.quick
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


def test_disabling_a_user_is_announced(alice, withdrawn):
    user = User.objects.get(username="alice")
    user.is_active = False
    assert withdrawn(user.save) == {checksum(alice.access)}
    assert not AccessToken.objects.exists()


@isolate_apps("django.contrib.auth", "django.contrib.contenttypes")
@pytest.mark.parametrize("action", ["disable", "delete"])
def test_users_may_be_disabled_and_deleted_as_instances_of_a_proxy_model(alice, ended, monkeypatch, action):
    class Customer(User):
        class Meta:
            app_label = "auth"
            proxy = True

    def disable():
        customer.is_active = False
        customer.save()

    monkeypatch.setattr(receivers, "apps", Customer._meta.apps)  # as if it were of an installed app
    receivers.connect()
    customer = Customer.objects.get(username="alice")
    pk = customer.pk
    assert ended(customer.delete if action == "delete" else disable) == [(alice.client_id, pk)]


@pytest.mark.quick
@pytest.mark.parametrize(
    "action",
    [
        lambda: Client.objects.get().disable(),
        lambda: Client.objects.get().delete(),
        lambda: User.objects.get(username="alice").delete(),
        lambda: end_access(user=User.objects.get(username="alice")),
        lambda: [refresh_token.revoke() for refresh_token in RefreshToken.objects.all()],
    ],
    ids=["client disabled", "client deleted", "user deleted", "access revoked", "tokens revoked"],
)
def test_the_last_access_of_a_client_to_an_account_is_announced_as_ended(alice, ended, action):
    flow.connect("alice", alice.client_id)  # a second consent
    user = User.objects.get(username="alice").pk
    assert set(ended(action)) == {(alice.client_id, user)}


def test_access_that_another_consent_still_gives_has_not_ended(alice, ended):
    again = flow.connect("alice", alice.client_id)
    user = User.objects.get(username="alice").pk
    assert ended(AccessToken.objects.get(token_checksum=checksum(alice.access)).revoke) == []
    assert ended(AccessToken.objects.get(token_checksum=checksum(again.access)).revoke) == [
        (alice.client_id, user)
    ]


def test_of_two_consents_that_are_withdrawn_at_once_the_last_to_commit_ends_the_access(alice, ended):
    again = flow.connect("alice", alice.client_id)
    first, second = (AccessToken.objects.get(token_checksum=checksum(each.access)) for each in (alice, again))

    def withdraw():
        first.revoke()
        # What another transaction commits before this one.
        RefreshToken.objects.filter(token_family=second.family).update(revoked=timezone.now())
        AccessToken.objects.filter(pk=second.pk).delete()

    user = User.objects.get(username="alice").pk
    assert ended(withdraw) == [(alice.client_id, user)]


def test_if_it_is_unknown_what_remains_the_rest_is_announced(alice, withdrawn, monkeypatch):
    def fail(access):
        raise DatabaseError

    monkeypatch.setattr("oauth_app.models._remaining", fail)
    assert withdrawn(AccessToken.objects.get().revoke) == {checksum(alice.access)}


def test_disabling_a_client_is_announced(alice, withdrawn):
    client = Client.objects.get()
    assert withdrawn(client.disable) == {checksum(alice.access)}


def _reloaded():
    client = Client.objects.get()
    client.refresh_from_db()
    return client


@pytest.mark.parametrize(
    "load",
    [
        Client.objects.get,
        _reloaded,
        Client.objects.defer("is_enabled").get,
        Client.objects.only("client_id", "name").get,
    ],
    ids=["loaded", "refreshed", "deferred", "only some"],
)
@pytest.mark.parametrize("was_enabled", [True, False])
def test_an_older_copy_does_not_change_whether_a_client_is_enabled(alice, load, was_enabled):
    Client.objects.update(is_enabled=was_enabled)
    copy = load()
    Client.objects.update(is_enabled=not was_enabled)
    copy.name = "Renamed"
    copy.is_enabled = was_enabled
    copy.save()
    kept = Client.objects.get()
    assert (kept.name, kept.is_enabled) == ("Renamed", not was_enabled)


def test_a_rolled_back_change_revokes_nothing(alice, withdrawn):
    client = Client.objects.get()
    client.is_enabled = False
    assert withdrawn(client.save) == set()
    assert AccessToken.objects.exists()


def test_a_client_is_enabled_again_without_its_former_access(alice):
    client = Client.objects.get()
    client.disable()
    client.enable()
    assert Client.objects.get().is_enabled
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("write", [Client.save, Client.enable, Client.disable])
def test_a_copy_of_a_deleted_client_is_not_written(alice, write):
    copy = Client.objects.get()
    Client.objects.get().delete()
    with transaction.atomic(), pytest.raises(IntegrityError, match="deleted"):
        write(copy)
    assert not Client.objects.exists()


def test_an_expired_token_is_deleted_silently(alice, withdrawn):
    AccessToken.objects.update(expires="2020-01-01T00:00Z")
    assert withdrawn(lambda: AccessToken.objects.get().delete()) == set()


def test_saving_an_active_user_revokes_nothing(alice, withdrawn):
    assert withdrawn(User.objects.get(username="alice").save) == set()
    assert AccessToken.objects.exists()


@pytest.fixture
def grants(django_capture_on_commit_callbacks):
    """Run something and return the consents announced as withdrawn."""
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


def _deactivate(user):
    user.is_active = False
    user.save()


@pytest.mark.parametrize(
    "action",
    [
        lambda: _deactivate(User.objects.get(username="alice")),
        lambda: Client.objects.get().disable(),
        lambda: User.objects.get(username="alice").delete(),
        lambda: Client.objects.get().delete(),
        lambda: RefreshToken.objects.get().revoke(),
    ],
    ids=["person disabled", "client disabled", "person deleted", "client deleted", "revoked"],
)
@pytest.mark.parametrize("access_is", ["current", "expired", "cleared"])
def test_the_end_of_a_consent_is_announced_whatever_happened_to_its_access_token(
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


def test_deleting_an_access_token_withdraws_no_consent_that_can_be_refreshed(alice, grants):
    assert grants(lambda: AccessToken.objects.get().delete()) == set()


@pytest.fixture
def signals(django_capture_on_commit_callbacks):
    """Run something and return each signal that it sent: the checksums and the consents."""
    sent = []

    def receiver(checksums, grants, **kwargs):
        sent.append((set(checksums), set(grants)))

    def after(action):
        with django_capture_on_commit_callbacks(execute=True):
            action()
        return sent

    access_withdrawn.connect(receiver)
    yield after
    access_withdrawn.disconnect(receiver)


@pytest.mark.parametrize(
    "action",
    [
        lambda: _deactivate(User.objects.get(username="alice")),
        lambda: end_families(list(AccessToken.objects.values_list("family", flat=True))),
        lambda: User.objects.filter(username="alice").delete(),
    ],
    ids=["person disabled", "consents ended", "person deleted"],
)
def test_everything_that_a_revocation_ends_is_announced_once(alice, signals, action):
    flow.connect("alice")
    flow.connect("alice")
    flow.refresh(alice.http, alice.client_id, alice.refresh)
    tokens = list(AccessToken.objects.all())
    assert len(tokens) == 4
    expected = {token.token_checksum for token in tokens}, {str(token.family) for token in tokens}
    assert signals(action) == [expected]


def test_a_revocation_that_fails_is_not_announced(alice, signals, monkeypatch):
    def fail(self):
        raise DatabaseError

    def withdraw():
        monkeypatch.setattr(AccessTokens, "delete", fail)
        with pytest.raises(DatabaseError):
            RefreshToken.objects.get().revoke()
        monkeypatch.undo()
        AccessToken.objects.get().delete()

    assert signals(withdraw) == [({checksum(alice.access)}, set())]
