"""The pages on which a user of the stand-in Entra ID consents, the device code endpoint, and what discovery tells.

The pages are plain forms with nobody's password: whoever sees one chooses a user and says yes or no.
"""

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.sandbox.aadsts import EntraError
from relay.sandbox.faults import Faults
from relay.sandbox.http import general_fault, read_body
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.sign_in import OIDC_SCOPES, Consented, SignIns
from relay.sandbox.tokens import Tokens

_LARGEST_BODY = 64 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_CARRIED = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge")
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Stand-in Entra ID</title></head><body>
<h1>{title}</h1>{body}</body></html>"""


class SignInPages:
    """Everything of a sign-in that a browser, or a device, sees."""

    def __init__(self, settings: SandboxSettings, sign_ins: SignIns, tokens: Tokens, faults: Faults) -> None:
        self._settings = settings
        self._sign_ins = sign_ins
        self._tokens = tokens
        self._faults = faults

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/{tenant}/oauth2/v2.0/authorize", self.ask, methods=["GET"]),
            Route("/{tenant}/oauth2/v2.0/authorize", self.answer, methods=["POST"]),
            Route("/devicelogin", self.ask_device, methods=["GET"]),
            Route("/devicelogin", self.answer_device, methods=["POST"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self.discovery, methods=["GET"]),
            Route("/{tenant}/discovery/v2.0/keys", self.keys, methods=["GET"]),
        ]

    async def ask(self, request: Request) -> Response:
        """The page that asks for consent; or why it cannot be asked for, to the user or to the application."""
        fault = await self._faults.at("authorize")
        if fault is not None and (broken := await general_fault(request, fault)) is not None:
            return broken
        query = dict(request.query_params)
        try:
            self._check_application(query)
        except EntraError as error:
            return _page("Sorry, but we're having trouble signing you in.", f"<p>{_told(error)}</p>", error.status)
        try:
            wanted = self._check_request(query)
        except EntraError as error:
            return _back(query, error=error.error, error_description=_told(error))
        fields = "".join(_hidden(name, query[name]) for name in _CARRIED if name in query)
        asks = f"<p>{html.escape(self._settings.client_id)} asks for: {html.escape(wanted)}</p>"
        return _page("Permissions requested", f"{asks}{self._form(fields, query.get('login_hint', ''))}")

    async def answer(self, request: Request) -> Response:
        """What the user said: back to the application with a code, or with `access_denied`."""
        form = await _form(request)
        try:
            self._check_application(form)
            self._check_request(form)
        except EntraError as error:
            return _page("Sorry, but we're having trouble signing you in.", f"<p>{_told(error)}</p>", error.status)
        if form.get("answer") != "accept":
            denied = EntraError(65004)
            return _back(form, error=denied.error, error_description=_told(denied))
        wanted = self._sign_ins.wanted(form["scope"])
        consented = Consented(self._user(form), wanted, self.issuer(request), form.get("nonce", ""))
        code = self._sign_ins.consent(consented, form["redirect_uri"], form.get("code_challenge", ""))
        return _back(form, code=code, session_state="00000000-0000-4000-8000-000000000000")

    async def ask_device(self, request: Request) -> Response:
        """The page on which the code of a device is typed."""
        code = html.escape(request.query_params.get("user_code", ""), quote=True)
        return _page("Enter code", self._form(f'<p><input name="user_code" value="{code}"></p>', ""))

    async def answer_device(self, request: Request) -> Response:
        """What the user said to a device's sign-in."""
        form = await _form(request)
        device = self._sign_ins.device(form.get("user_code", ""))
        if device is None:
            return _page("That code didn't work.", "<p>Check the code and try again.</p>", HTTPStatus.BAD_REQUEST)
        if form.get("answer") == "accept":
            device.consented = Consented(self._user(form), device.wanted, device.issuer)
        else:
            device.declined = True
        return _page("You have signed in." if device.consented else "You have declined.", "<p>Close this window.</p>")

    async def discovery(self, request: Request) -> Response:
        """OpenID Connect Discovery 4.2. A tenant asked for by its name is answered with its id, as Entra does."""
        root, tenant = _root(request), request.path_params["tenant"]
        template = tenant in ("common", "organizations")
        if not template and tenant.lower() not in (
            self._settings.tenant.lower(),
            self._settings.tenant_id,
            "consumers",
        ):
            error = EntraError(90002, tenant=tenant)
            body = {
                "error": "invalid_tenant",
                "error_description": f"AADSTS90002: {error.text}",
                "error_codes": [90002],
            }
            return JSONResponse(body, HTTPStatus.BAD_REQUEST)
        return JSONResponse(
            {
                "issuer": f"{root}/{{tenantid}}/v2.0" if template else self.issuer(request),
                "authorization_endpoint": f"{root}/{tenant}/oauth2/v2.0/authorize",
                "token_endpoint": f"{root}/{tenant}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{root}/{tenant}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{root}/{tenant}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "scopes_supported": list(OIDC_SCOPES),
            }
        )

    async def keys(self, _request: Request) -> Response:
        """The keys that tokens are signed with (RFC 7517)."""
        return JSONResponse(self._tokens.key_set())

    def device_answer(self, parameters: Mapping[str, str], request: Request) -> dict[str, Any]:
        """What a device is told at the start (RFC 8628 3.2). Raises EntraError."""
        for name in ("client_id", "scope"):
            if not parameters.get(name):
                raise EntraError(900144, parameter=name)
        self._check_client(parameters["client_id"])
        device_code, device = self._sign_ins.begin_device(parameters["scope"], self.issuer(request))
        place = f"{_root(request)}/devicelogin"
        text = f"To sign in, use a web browser to open the page {place} and enter the code {device.user_code}"
        return {
            "user_code": device.user_code,
            "device_code": device_code,
            "verification_uri": place,
            "expires_in": int(self._settings.device_code_lifetime),
            "interval": self._settings.device_code_interval,
            "message": f"{text} to authenticate.",
        }

    def issuer(self, request: Request) -> str:
        """Who signs the tokens: the tenant by its id, at the address where it was asked."""
        return f"{_root(request)}/{self._settings.tenant_id}/v2.0"

    def _check_client(self, client_id: str) -> None:
        if client_id.lower() != self._settings.client_id.lower():
            raise EntraError(700016, client_id=client_id, tenant=self._settings.tenant)

    def _check_application(self, query: Mapping[str, str]) -> None:
        """What is wrong here must not go back to the redirect URI: nobody knows whose it is."""
        for name in ("client_id", "redirect_uri"):
            if not query.get(name):
                raise EntraError(900144, parameter=name)
        self._check_client(query["client_id"])
        if not any(_same_place(query["redirect_uri"], registered) for registered in self._settings.redirect_uris):
            raise EntraError(50011, sent=query["redirect_uri"], client_id=query["client_id"])

    def _check_request(self, query: Mapping[str, str]) -> str:
        for name in ("response_type", "scope"):
            if not query.get(name):
                raise EntraError(900144, parameter=name)
        if query["response_type"] != "code" or query.get("code_challenge_method", "S256") != "S256":
            raise EntraError(9002313)
        self._sign_ins.wanted(query["scope"])
        return query["scope"]

    def _user(self, form: Mapping[str, str]) -> str:
        user = form.get("user", "").lower()
        return next((each for each in self._settings.mailboxes if each.lower() == user), self._settings.mailbox)

    def _form(self, fields: str, hint: str) -> str:
        users = "".join(
            f"<option{' selected' if user.lower() == hint.lower() else ''}>{html.escape(user)}</option>"
            for user in self._settings.mailboxes
        )
        buttons = "".join(
            f'<button name="answer" value="{value}">{text}</button>'
            for value, text in (("accept", "Accept"), ("cancel", "Cancel"))
        )
        return f'<form method="post">{fields}<p><select name="user">{users}</select></p><p>{buttons}</p></form>'


def _same_place(sent: str, registered: str) -> bool:
    """RFC 8252 7.3: the port of a loopback redirect is the application's choice."""
    here, there = urlsplit(sent), urlsplit(registered)
    if here.scheme == "http" and here.netloc.partition(":")[0] in _LOOPBACK:
        paths = {(here.path or "/"), (there.path or "/")}
        return (here.scheme, here.hostname) == (there.scheme, there.hostname) and len(paths) == 1
    return sent == registered


def _back(query: Mapping[str, str], **answer: str) -> Response:
    """RFC 6749 4.1.2: to the application, with its own state."""
    state = {"state": query["state"]} if "state" in query else {}
    return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer | state)}", HTTPStatus.FOUND)


def _told(error: EntraError) -> str:
    return f"AADSTS{error.number}: {html.escape(error.text)}"


def _page(title: str, body: str, status: int = HTTPStatus.OK) -> Response:
    return HTMLResponse(_PAGE.format(title=html.escape(title), body=body), status)


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{html.escape(value, quote=True)}">'


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, _LARGEST_BODY)
    return dict(parse_qsl((body or b"").decode("utf-8", "replace"), keep_blank_values=True))
