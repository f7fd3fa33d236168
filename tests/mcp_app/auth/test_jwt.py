import asyncio
import json
import time
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mcp_app.auth.authorization_server import AuthorizationServerUnavailable
from mcp_app.auth.jwt import JWTTokenVerifier

ISSUER = "https://auth.example"
RESOURCE = "http://localhost:3232/mcp"
YEAR_2100 = 4102444800


@pytest.fixture(autouse=True)
def separate(settings):
    settings.MCP_ISSUER = ISSUER
    settings.MCP_JWKS_URL = f"{ISSUER}/jwks"


def published(key_id, key, **members):
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return public | {"kid": key_id, "use": "sig"} | members


class Issuer:
    """An issuer of JWTs that serves its keys while it is up."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.keys = [published("one", self.key)]
        self.is_up = True
        self.served = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.asked = asyncio.Event()

    async def serve(self, request):
        self.served += 1
        self.asked.set()
        await self.go_on.wait()
        return httpx2.Response(200, json={"keys": self.keys}) if self.is_up else httpx2.Response(503)

    def token(self, *, key=None, headers=None, algorithm="ES256", **changes):
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": RESOURCE,
            "sub": "alice",
            "client_id": "client",
            "scope": "mcp",
            "iat": now,
            "exp": now + 60,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not ...}
        header = {"typ": "at+jwt", "kid": "one"} | (headers or {})
        header = {name: value for name, value in header.items() if value is not ...}
        return jwt.encode(claims, self.key if key is None else key, algorithm, headers=header)


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
async def verifier(issuer):
    verifier = JWTTokenVerifier(httpx2.MockTransport(issuer.serve))
    yield verifier
    await verifier.aclose()


async def test_a_good_token_is_accepted_and_the_keys_are_read_once(issuer, verifier):
    for _ in range(3):
        token = await verifier.verify_token(issuer.token())
        assert token.subject == "alice"
        assert token.scopes == ["mcp"]
    assert issuer.served == 1
    assert await verifier.verify_token(issuer.token(headers={"typ": "application/at+JWT"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": ...},
        {"aud": "https://other.example/mcp"},
        {"aud": "http://localhost:3232"},
        {"aud": ...},
        {"sub": ...},
        {"exp": 1},
        {"exp": ...},
        {"nbf": YEAR_2100},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": "id_token+jwt"}},
        {"headers": {"kid": "unknown"}},
        pytest.param({"key": ec.generate_private_key(ec.SECP256R1())}, id="another key"),
        {"algorithm": "none", "key": ""},
        {"algorithm": "HS256", "key": "x" * 32},
    ],
    ids=str,
)
async def test_any_other_token_is_refused(issuer, verifier, changes):
    assert await verifier.verify_token(issuer.token(**changes)) is None


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 20_000, "é.é.é", "e30.e30.e30", "opaque"])
async def test_invalid_input_is_refused(verifier, token):
    assert await verifier.verify_token(token) is None


async def test_plain_types_pass_where_they_are_configured(issuer, verifier, settings):
    settings.MCP_JWT_TYPES = ["at+jwt", "JWT"]
    assert await verifier.verify_token(issuer.token(headers={"typ": "JWT"}))


async def test_a_new_key_is_found_and_the_refresh_is_not_repeated_immediately(issuer, verifier, monkeypatch):
    assert await verifier.verify_token(issuer.token())
    new = ec.generate_private_key(ec.SECP256R1())
    issuer.keys.append(published("two", new))
    signed = issuer.token(key=new, headers={"kid": "two"})
    assert await verifier.verify_token(signed) is None, "it looked a moment ago"
    monkeypatch.setattr("mcp_app.auth.jwt._UNKNOWN_KEY_SECONDS", 0.0)
    assert await verifier.verify_token(signed)
    assert issuer.served == 2


async def test_a_known_key_does_not_wait_for_a_refresh_caused_by_a_stranger(issuer, verifier, monkeypatch):
    assert await verifier.verify_token(issuer.token())
    monkeypatch.setattr("mcp_app.auth.jwt._UNKNOWN_KEY_SECONDS", 0.0)
    issuer.go_on.clear()
    issuer.asked.clear()
    stranger = asyncio.create_task(verifier.verify_token(issuer.token(headers={"kid": "invented"})))
    await asyncio.wait_for(issuer.asked.wait(), 5)
    async with asyncio.timeout(5):
        assert await verifier.verify_token(issuer.token())
    assert not stranger.done()
    issuer.go_on.set()
    assert await stranger is None


async def test_old_keys_are_refreshed_in_the_background(issuer, verifier, monkeypatch):
    assert await verifier.verify_token(issuer.token())
    for name in ("_UNKNOWN_KEY_SECONDS", "_REFRESH_SECONDS"):
        monkeypatch.setattr(f"mcp_app.auth.jwt.{name}", 0.0)
    issuer.go_on.clear()
    async with asyncio.timeout(5):
        assert await verifier.verify_token(issuer.token())
    issuer.keys = [published("two", issuer.key)]
    issuer.go_on.set()
    monkeypatch.setattr("mcp_app.auth.jwt._MAX_KEY_AGE_SECONDS", 0.0)
    assert await verifier.verify_token(issuer.token()) is None, "the key may have been withdrawn"


async def test_many_requests_before_the_first_keys_cause_one_refresh(issuer, verifier):
    issuer.go_on.clear()
    waiting = [asyncio.create_task(verifier.verify_token(issuer.token())) for _ in range(8)]
    await asyncio.wait_for(issuer.asked.wait(), 5)
    waiting[0].cancel()  # a client that hangs up takes nothing away from the others
    issuer.go_on.set()
    answers: list[Any] = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [answer.subject for answer in answers[1:]] == ["alice"] * 7
    assert issuer.served == 1


async def test_a_failed_refresh_is_not_repeated_immediately(issuer, verifier, monkeypatch):
    issuer.is_up = False
    for _ in range(5):
        with pytest.raises(AuthorizationServerUnavailable):
            await verifier.verify_token(issuer.token())
    assert issuer.served == 1
    issuer.is_up = True
    monkeypatch.setattr("mcp_app.auth.jwt._FAILURE_SECONDS", 0.0)
    assert await verifier.verify_token(issuer.token())


@pytest.mark.parametrize("ahead", ["iat", "nbf"])
async def test_the_issuers_clock_may_be_a_little_ahead(issuer, verifier, ahead):
    now = int(time.time())
    assert await verifier.verify_token(issuer.token(**{ahead: now + 20}))
    assert await verifier.verify_token(issuer.token(**{ahead: now + 120})) is None


async def test_an_rsa_key_without_an_algorithm_is_valid_for_all_of_rsa(issuer, verifier):
    issuer.key = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(issuer.key.public_key()))
    issuer.keys = [public | {"kid": "one"}]
    for algorithm in ("RS256", "RS512", "PS256"):
        assert await verifier.verify_token(issuer.token(algorithm=algorithm))
        assert await verifier.verify_token(issuer.token(algorithm=algorithm, headers={"kid": ...}))


async def test_a_token_that_names_no_key_is_refused_if_several_fit(issuer, verifier):
    issuer.keys += [published("two", ec.generate_private_key(ec.SECP256R1()))]
    assert await verifier.verify_token(issuer.token())
    assert await verifier.verify_token(issuer.token(headers={"kid": ...})) is None


async def test_an_rsa_key_with_an_algorithm_is_valid_for_no_other(issuer, verifier):
    issuer.key = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(issuer.key.public_key()))
    issuer.keys = [public | {"kid": "one", "alg": "RS256"}]
    assert await verifier.verify_token(issuer.token(algorithm="RS256"))
    assert await verifier.verify_token(issuer.token(algorithm="RS512")) is None


@pytest.mark.parametrize(
    "key",
    [
        5,
        {},
        {"kty": []},
        {"kty": "RSA", "alg": []},
        {"kty": "new", "kid": "x"},
        {"kty": "oct", "kid": "x"},
        {"kty": "oct", "kid": "x", "alg": "none"},
        {"kty": "RSA", "kid": "x", "alg": "none"},
    ],
    ids=str,
)
async def test_published_keys_of_other_types_are_ignored(issuer, verifier, key):
    issuer.keys = [key, published("two", issuer.key, kid=["two"]), *issuer.keys]
    assert await verifier.verify_token(issuer.token())


async def test_a_key_for_encryption_signs_nothing(issuer, verifier):
    issuer.keys += [published("two", issuer.key, use="enc")]
    assert await verifier.verify_token(issuer.token(headers={"kid": "two"})) is None


async def test_an_issuer_without_signing_keys_verifies_nothing(issuer, verifier):
    issuer.keys = [published("one", issuer.key, use="enc")]
    with pytest.raises(AuthorizationServerUnavailable):
        await verifier.verify_token(issuer.token())


async def test_without_keys_a_token_is_neither_accepted_nor_rejected(issuer, verifier):
    issuer.is_up = False
    with pytest.raises(AuthorizationServerUnavailable):
        await verifier.verify_token(issuer.token())


async def test_known_keys_outlive_their_server_and_nobody_waits_for_it_again(issuer, verifier, monkeypatch):
    assert await verifier.verify_token(issuer.token())
    issuer.is_up = False
    for name in ("_UNKNOWN_KEY_SECONDS", "_FAILURE_SECONDS", "_REFRESH_SECONDS", "_MAX_KEY_AGE_SECONDS"):
        monkeypatch.setattr(f"mcp_app.auth.jwt.{name}", 0.0)
    assert await verifier.verify_token(issuer.token())
    issuer.go_on.clear()
    async with asyncio.timeout(5):
        assert await verifier.verify_token(issuer.token())
    issuer.go_on.set()
