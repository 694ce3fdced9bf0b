"""The authorization code with PKCE (RFC 6749 4.1, RFC 7636): the link, the answer to it, and what redeems the code."""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from relay.advice import oauth as advice
from relay.log import clean
from relay.oauth.consent.errors import ConsentError
from relay.oauth.consent.settings import ConsentSettings, is_google, scopes_of
from relay.oauth.request import TokenRequest
from relay.oauth.response import aadsts


class NotTheAnswerError(Exception):
    """What came does not belong to this sign-in: the real answer may still come."""


class BrowserSignIn:
    """One sign-in in a browser: its `link`, and the one answer that it takes."""

    def __init__(
        self, account: str, oauth: ConsentSettings, endpoint: str, *, client_id: str, redirect_uri: str, hint: str
    ) -> None:
        self._account = account
        self._state = secrets.token_urlsafe(32)
        self._used = False
        self.nonce = secrets.token_urlsafe(32)
        self.verifier = secrets.token_urlsafe(48)
        self.redirect_uri = redirect_uri
        self.scope = oauth.scope_delimiter.join(scopes_of(oauth))
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        query = {
            **oauth.extra_parameters,
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": self.scope,
            "state": self._state,
            "nonce": self.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if hint:
            query.setdefault("login_hint", hint)
        if is_google(oauth):
            # Without both, a second consent brings no refresh token.
            query |= {"access_type": "offline", "prompt": "consent"}
        self.link = f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    def code(self, address: str) -> str:
        """The code in `address`, where the browser was sent; each sign-in takes one answer.

        Raises NotTheAnswerError for what is not an answer to it, ConsentError when the answer is a refusal.
        """
        try:
            query = parse_qs(urlsplit(address.strip()).query, max_num_fields=50)
        except ValueError:
            query = {}
        answer = {name: values[0] for name, values in query.items() if len(values) == 1}
        state = answer.get("state", "").encode("utf-8", "replace")
        if self._used or not hmac.compare_digest(state, self._state.encode()):
            raise NotTheAnswerError
        self._used = True
        if "error" in answer:
            raise ConsentError(_refusal(self._account, answer))
        if not answer.get("code"):
            raise ConsentError(f"{self._account}: the answer holds neither a code nor an error: start over")
        return answer["code"]


class AuthorizationCode:
    """The grant that redeems a code (RFC 6749 4.1.3)."""

    name = "authorization_code"
    pause_after_refusal = 0.0

    def __init__(self, code: str, sign_in: BrowserSignIn) -> None:
        self._code = code
        self._sign_in = sign_in

    async def add_to(self, request: TokenRequest) -> TokenRequest:
        """`request` with the code, and the verifier that shows who asked for it."""
        form = {
            "grant_type": "authorization_code",
            "code": self._code,
            "redirect_uri": self._sign_in.redirect_uri,
            "code_verifier": self._sign_in.verifier,
        }
        return request.adding(form=form, secrets=(self._code, self._sign_in.verifier))


def _refusal(account: str, answer: dict[str, str]) -> str:
    error, description = clean(answer["error"][:100]), clean(answer.get("error_description", "")[:500])
    hint = advice.hint(answer["error"], aadsts(description), description, account=account)
    said = f"{error}: {description}" if description else error
    return f"{account}: the sign-in was refused: {said}{f' - {hint}' if hint else ''}"
