"""An authorization server whose protocol code is not ours: Authlib's, in a Flask application, behind real TLS.

What the relay and its own stand-in could get wrong in the same way does not get past it. It runs in a thread, so that
tests, relay processes and browsers can reach it alike.
"""

import html
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import trustme
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oidc.discovery import OpenIDProviderMetadata
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from joserfc import jwk
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.oauth.foreign import grants
from tests.oauth.foreign.records import Issued, Records

LIFETIME = 1800
Mint = Callable[[str], str]
"""Makes the access token of a user ("" for the application's own)."""

_FORM = """<!DOCTYPE html><title>Foreign</title><h1>{title}</h1><form method="post">{fields}
<input name="user"><button name="answer" value="accept"></button>
<button name="answer" value="cancel"></button></form>"""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (its name there)
        pass


class Foreign:
    """The server for the length of a `with` block, at `issuer`; `ca_file` is what a client must trust.

    `mint` makes its access tokens; `host` is the name that it gives itself.
    """

    def __init__(self, folder: Path, mint: Mint | None = None, host: str = "localhost") -> None:
        self.records = Records()
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "foreign", "use": "sig"})
        self.ca_file = folder / "foreign-ca.pem"
        self._mint = mint
        authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host, "127.0.0.1").configure_cert(tls)
        authority.cert_pem.write_to_path(self.ca_file)
        app = Flask(__name__)
        self._http = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet, ssl_context=tls)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self.issuer = f"https://{host}:{self._http.server_port}"
        self._server = self._authorization_server(app)
        self._add_pages(app)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join(20)
        self._http.server_close()

    @property
    def endpoints(self) -> dict[str, str]:
        """Its addresses, by the relay's keys."""
        return {
            "token_endpoint": f"{self.issuer}/token",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "issuer": self.issuer,
        }

    def _authorization_server(self, app: Flask) -> AuthorizationServer:
        kinds = ("client_credentials", "authorization_code", "refresh_token", grants.DEVICE)
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = dict.fromkeys(kinds, LIFETIME)
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        app.config["OAUTH2_SCOPES_SUPPORTED"] = ["mail", "calendar", "openid", "email", "offline_access"]
        if self._mint is not None:
            app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = self._minted
        server = AuthorizationServer(app, self.records.clients.get, self._save)
        grants.register(server, self.records, self.issuer, self.key)
        return server

    def _minted(self, client: Any, grant_type: str, user: str | None, scope: str) -> str:
        assert self._mint is not None
        return self._mint(user or "")

    def _save(self, token: dict[str, Any], asked: Any) -> None:
        values = (asked.client.client_id, asked.user or "", token.get("scope", ""), token["access_token"])
        self.records.issued.append(Issued(*values, token.get("refresh_token", "")))

    def _add_pages(self, app: Flask) -> None:
        app.add_url_rule("/token", view_func=self._token, methods=["GET", "POST"])
        app.add_url_rule("/device", view_func=self._device, methods=["POST"])
        app.add_url_rule("/authorize", view_func=self._authorize, methods=["GET", "POST"])
        app.add_url_rule("/activate", view_func=self._activate, methods=["GET", "POST"])
        app.add_url_rule("/.well-known/openid-configuration", view_func=self._metadata)
        app.add_url_rule("/keys", view_func=self._keys)

    def _token(self) -> ResponseReturnValue:
        self.records.asked.append({"method": request.method, **request.values})
        answer = self._server.create_token_response()
        self.records.errors.append((answer.get_json(force=True) or {}).get("error", ""))
        return answer  # type: ignore[no-any-return]

    def _device(self) -> ResponseReturnValue:
        self.records.asked.append({"method": request.method, **request.values})
        return self._server.create_endpoint_response("device_authorization")  # type: ignore[no-any-return]

    def _authorize(self) -> ResponseReturnValue:
        user = request.form.get("user", "")
        try:
            grant = self._server.get_consent_grant(end_user=user or None)
        except OAuth2Error as error:
            return f"<h1>{error.error}</h1><p>{error.description}", 400
        if request.method == "GET":
            return _FORM.format(title=html.escape(f"{grant.client.client_id} wants {request.args['scope']}"), fields="")
        granted = user if request.form["answer"] == "accept" else None
        return self._server.create_authorization_response(grant=grant, grant_user=granted)  # type: ignore[no-any-return]

    def _activate(self) -> ResponseReturnValue:
        if request.method == "GET":
            return _FORM.format(title="Which device?", fields='<input name="user_code">')
        device = self.records.device_of(request.form["user_code"])
        if device is None:
            return "unknown code", 404
        device.answer = (request.form["user"], request.form["answer"] == "accept")
        return "done"

    def _keys(self) -> ResponseReturnValue:
        self.records.looked.append("keys")
        return ("", 503) if self.records.broken else jsonify({"keys": [self.key.as_dict(private=False)]})

    def _metadata(self) -> ResponseReturnValue:
        self.records.looked.append("metadata")
        if self.records.broken:
            return "", 503
        methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
        document = OpenIDProviderMetadata(
            **self.endpoints,
            jwks_uri=f"{self.issuer}/keys",
            scopes_supported=["openid", "email", "mail"],
            response_types_supported=["code"],
            grant_types_supported=["authorization_code", "client_credentials", "refresh_token"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256"],
            token_endpoint_auth_methods_supported=methods,
            token_endpoint_auth_signing_alg_values_supported=["RS256", "PS256", "ES256"],
            code_challenge_methods_supported=["S256"],
        )
        document.validate()
        return jsonify(document)
