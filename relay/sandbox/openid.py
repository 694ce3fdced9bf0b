"""What the stand-in Entra says about itself: `GET /{tenant}/v2.0/.well-known/openid-configuration` (PROVIDERS 1.10)."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from relay.sandbox.settings import SandboxSettings

_SHARED = ("common", "organizations")


class OpenId:
    """The metadata of the tenant, by its id or its domain, and of all tenants at once."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self.requests = 0

    def routes(self) -> list[BaseRoute]:
        return [Route("/{tenant}/v2.0/.well-known/openid-configuration", self.metadata)]

    async def metadata(self, request: Request) -> Response:
        """A tenant is called by its id in its issuer, however it was asked for; all of them by a template."""
        self.requests += 1
        tenant = request.path_params["tenant"].lower()
        if tenant not in (*_SHARED, self._settings.tenant.lower(), self._settings.tenant_id):
            text = f"AADSTS90002: Tenant '{tenant}' not found."
            return JSONResponse({"error": "invalid_tenant", "error_description": text, "error_codes": [90002]}, 400)
        root = f"{request.url.scheme}://{request.url.netloc}"
        named = "{tenantid}" if tenant in _SHARED else self._settings.tenant_id
        # In the addresses a domain becomes the id as well.
        path = tenant if tenant in _SHARED else self._settings.tenant_id
        return JSONResponse(
            {
                "issuer": f"{root}/{named}/v2.0",
                "token_endpoint": f"{root}/{path}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
            }
        )
