"""Access tokens that apps show to the relay, verified with the keys of a server that is not ours, over real TLS."""

import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwk

from relay.config import Http
from relay.http import HttpClient
from relay.oauth import Bearer, KeySet
from relay.oauth.bearer import LEEWAY
from relay.oauth.key_set import FRESH, STALE
from relay.oauth.logins import Verdict
from relay.oauth.pacing import PAUSE
from tests.oauth.foreign.server import Foreign
from tests.support import keys
from tests.support.clock import FakeClock

AUDIENCE = "smtp-relay"
WELL = {"preferred_username": "ann", "email": "ann@example.com", "sub": "id-1"}


class Issuer:
    """The foreign server, and a relay's view of it. Its clock begins now."""

    def __init__(self, foreign: Foreign, http: HttpClient) -> None:
        self.foreign = foreign
        self.clock = FakeClock(time.time())
        self.keys = KeySet(foreign.issuer, http, self.clock)

    def token(self, key: jwk.RSAKey | None = None, kid: str = "foreign", **changes: Any) -> bytes:
        now = self.clock.time()
        claims = {"iss": self.foreign.issuer, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 600} | WELL
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        signing = (key or self.foreign.key).as_pem(private=True)
        return jwt.encode(claims, signing, "RS256", headers={"kid": kid} if kid else None).encode()

    def bearer(self, **more: Any) -> Bearer:
        return Bearer(self.keys, AUDIENCE, self.clock, **more)

    async def reason(self, token: bytes, user: str = "", **more: Any) -> str:
        answer = await self.bearer(**more).check(user, token)
        assert answer.verdict is Verdict.WRONG, answer
        assert token.decode("latin-1") not in answer.reason
        return answer.reason


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    with Foreign(tmp_path_factory.mktemp("foreign")) as server:
        yield server


@pytest.fixture
async def issuer(server: Foreign) -> AsyncIterator[Issuer]:
    http = HttpClient(Http(ca_file=server.ca_file))
    server.records.looked.clear()
    server.records.broken = False
    yield Issuer(server, http)
    await http.close()


async def test_a_good_token_is_its_users(issuer: Issuer) -> None:
    bearer = issuer.bearer()
    for named, user in (("", "ann"), ("ann", "ann"), ("ANN@example.com", "ann@example.com"), ("id-1", "id-1")):
        answer = await bearer.check(named, issuer.token())
        assert (answer.verdict, answer.user) == (Verdict.RIGHT, user)
    assert issuer.foreign.records.looked == ["metadata", "keys"], "asked once for all of them"


async def test_what_the_times_say(issuer: Issuer) -> None:
    now = issuer.clock.time()
    bearer = issuer.bearer()
    for good in ({"exp": now - LEEWAY + 5}, {"nbf": now + LEEWAY - 5}, {"nbf": None}, {"aud": ["x", AUDIENCE]}):
        assert (await bearer.check("", issuer.token(**good))).verdict is Verdict.RIGHT, good
    assert "ended 61 seconds ago" in await issuer.reason(issuer.token(exp=now - LEEWAY - 1))
    assert "counts only in 61 seconds" in await issuer.reason(issuer.token(nbf=now + LEEWAY + 1))
    token = issuer.token()
    assert (await bearer.check("", token)).verdict is Verdict.RIGHT
    await issuer.clock.advance(700)
    assert "ended" in await issuer.reason(token)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iss": "https://evil.example"}, "was issued by https://evil.example"),
        ({"iss": None}, "was issued by nobody"),
        ({"aud": "other"}, "is not for smtp-relay"),
        ({"aud": None}, "cannot be believed"),
        ({"exp": None}, "cannot be believed"),
        ({"exp": "soon"}, "does not say"),
        ({"nbf": "then"}, "does not say"),
        ({"preferred_username": None, "email": None, "sub": None}, "does not say whose it is"),
        ({"preferred_username": ["ann"], "email": 7, "sub": ""}, "does not say whose it is"),
    ],
)
async def test_claims_that_do_not_fit(issuer: Issuer, changes: dict[str, Any], said: str) -> None:
    assert said in await issuer.reason(issuer.token(**changes))


async def test_another_users_token(issuer: Issuer) -> None:
    assert "is that of ann, not of the user" in await issuer.reason(issuer.token(), "bob")
    assert "only service is meant" in await issuer.reason(issuer.token(), login="service", claim="sub")
    assert "has no azp" in await issuer.reason(issuer.token(), login="service", claim="azp")
    answer = await issuer.bearer(login="Service", claim="azp").check("service", issuer.token(azp="service"))
    assert (answer.verdict, answer.user) == (Verdict.RIGHT, "service")
    # What a user may write himself does not make him the one who is meant.
    assert "only service is meant" in await issuer.reason(
        issuer.token(email="service"), "service", login="service", claim="preferred_username"
    )


async def test_signatures_of_others(issuer: Issuer) -> None:
    stranger = jwk.RSAKey.generate_key(2048)
    assert "has a signature that is not the issuer's" in await issuer.reason(issuer.token(stranger))
    assert "has a signature that is not the issuer's" in await issuer.reason(issuer.token(stranger, kid=""))
    header, payload, signature = issuer.token().split(b".")
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=="))
    other = base64.urlsafe_b64encode(json.dumps(claims | {"preferred_username": "root"}).encode()).rstrip(b"=")
    assert "signature" in await issuer.reason(b".".join((header, other, signature)))
    unsigned = jwt.encode(claims, "", "none", headers={"kid": "foreign"}).encode()
    assert "in a way that is not accepted: none" in await issuer.reason(unsigned)
    # The public key, which everybody has, as the secret of a symmetric signature.
    public = base64.urlsafe_b64encode(issuer.foreign.key.as_pem(private=False)).rstrip(b"=")
    symmetric = jwt.encode(claims, public, "HS256", headers={"kid": "foreign"}).encode()
    assert "in a way that is not accepted: HS256" in await issuer.reason(symmetric)
    elliptic = keys.pem(ec.generate_private_key(ec.SECP256R1()))
    forged = jwt.encode(claims, elliptic, "ES256", headers={"kid": "foreign"}).encode()
    assert "has a signature that is not the issuer's" in await issuer.reason(forged)


@given(token=st.binary(max_size=60) | st.text(alphabet="eyJ.{}\"'=_-0", max_size=60).map(str.encode))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_is_no_token(issuer: Issuer, token: bytes) -> None:
    answer = await issuer.bearer().check("", token)
    assert answer.verdict is Verdict.WRONG
    assert issuer.foreign.records.looked == [], "nobody is asked for it"


async def test_keys_are_asked_for_again_when_they_change_and_not_too_often(issuer: Issuer) -> None:
    bearer, looked = issuer.bearer(), issuer.foreign.records.looked
    assert (await bearer.check("", issuer.token())).verdict is Verdict.RIGHT
    for number in range(20):
        answer = await bearer.check("", issuer.token(kid=f"invented{number}"))
        assert answer.verdict is Verdict.LATER
    assert looked == ["metadata", "keys"]
    await issuer.clock.advance(PAUSE)
    assert "does not publish" in await issuer.reason(issuer.token(kid="invented"))
    assert len(looked) == 4
    await issuer.clock.advance(PAUSE)
    before, issuer.foreign.key = issuer.foreign.key, jwk.RSAKey.generate_key(2048, {"kid": "next", "use": "sig"})
    try:
        assert (await bearer.check("", issuer.token(kid="next"))).verdict is Verdict.RIGHT
        await issuer.clock.advance(PAUSE)
        assert "does not publish" in await issuer.reason(issuer.token(before))
    finally:
        issuer.foreign.key = before


async def test_trouble_at_the_issuer(issuer: Issuer) -> None:
    records, bearer = issuer.foreign.records, issuer.bearer()
    records.broken = True
    answer = await bearer.check("", issuer.token())
    assert answer.verdict is Verdict.LATER
    assert f"{issuer.foreign.issuer}/.well-known/openid-configuration: status 503" in answer.reason
    assert (await bearer.check("", issuer.token())).reason == answer.reason
    assert records.looked == ["metadata"], "not again at once"
    records.broken = False
    await issuer.clock.advance(PAUSE)
    assert (await bearer.check("", issuer.token())).verdict is Verdict.RIGHT
    records.broken = True
    await issuer.clock.advance(FRESH + 1)
    assert (await bearer.check("", issuer.token())).verdict is Verdict.RIGHT, "old keys are better than none"
    await issuer.clock.advance(STALE)
    assert (await bearer.check("", issuer.token())).verdict is Verdict.LATER, "but not for ever"


async def test_metadata_of_somebody_else(server: Foreign, issuer: Issuer, tmp_path: Path) -> None:
    http = HttpClient(Http(ca_file=server.ca_file))
    try:
        named = server.issuer.replace("localhost", "127.0.0.1")
        answer = await Bearer(KeySet(named, http, issuer.clock), AUDIENCE, issuer.clock).check(
            "", issuer.token(iss=named)
        )
    finally:
        await http.close()
    assert answer.verdict is Verdict.LATER
    assert f'is the metadata of "{server.issuer}": correct the issuer' in answer.reason
