"""Who has signed in: the id_token's claims, once its signature is verified (OpenID Connect Core 3.1.3.7)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from relay.http import HttpClient, HttpError
from relay.http.hostile_json import as_number, as_text, read_object
from relay.log import clean
from relay.oauth.consent.errors import ConsentError
from relay.oauth.discovery import Metadata, is_issuer
from relay.oauth.key_set import KeysError, SigningKey, signing_keys
from relay.oauth.signed import NotBelievedError, Signed

_NAMES = ("preferred_username", "email", "upn")
_SKEW = 300.0


async def user_of(
    id_token: str, *, said: Metadata, client_id: str, nonce: str | None, http: HttpClient, now: float
) -> str:
    """The user's name as the provider says it, "" when the token has none. Raises ConsentError.

    `said` are the provider's metadata, whose issuer was checked; at Microsoft it holds `{tenantid}` for a tenant that
    only the token names.
    """
    place = _https(said.jwks_uri)
    try:
        claims = _verified(id_token, signing_keys(place, await _document(place, http)), client_id)
    except (KeysError, NotBelievedError) as error:
        raise ConsentError(f"nobody knows who has signed in: {error}. Nothing was kept: start over") from None
    expected = said.issuer.replace("{tenantid}", as_text(claims.get("tid")))
    if not is_issuer(expected, as_text(claims.get("iss"))):
        raise ConsentError(f"the id_token was issued by {clean(as_text(claims.get('iss')))}, not by {clean(expected)}")
    if (as_number(claims.get("exp")) or 0.0) + _SKEW <= now:
        raise ConsentError("the id_token has already expired: check the clock of this machine (NTP)")
    if nonce is not None and claims.get("nonce") != nonce:
        raise ConsentError("the id_token is not the answer to this sign-in (nonce): start over")
    return next((name for key in _NAMES if "@" in (name := clean(as_text(claims.get(key), 320)))), "")


def _verified(id_token: str, keys: Sequence[SigningKey], client_id: str) -> Mapping[str, Any]:
    """Raises NotBelievedError, whose text names the token."""
    try:
        signed = Signed(id_token)
        known = [key for key in keys if signed.kid is None or key.kid == signed.kid]
        if not known:
            raise NotBelievedError("is signed with a key that the provider does not publish")
        return signed.claims(known, client_id)
    except NotBelievedError as error:
        raise NotBelievedError(f"the id_token {error}") from None


async def _document(url: str, http: HttpClient) -> dict[str, Any]:
    try:
        answer = await http.request("GET", url, headers={"accept": "application/json"})
    except HttpError as error:
        raise ConsentError(f"{url}: {clean(error.text)}. {error.hint}") from None
    found = read_object(answer.body) if answer.status == 200 else None
    if found is None:
        raise ConsentError(f"{url}: status {answer.status}, no JSON object: check the issuer of the account")
    return found


def _https(url: str) -> str:
    if urlsplit(url).scheme != "https":
        raise ConsentError(f"the provider names no https address for its keys: {clean(url)[:200] or 'none'}")
    return url
