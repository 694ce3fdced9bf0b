"""The words that keys can hold, where there are only a few."""

from typing import Literal

Provider = Literal["microsoft", "google", "yahoo", "smtp", "sink", "discard", "fail"]
Way = Literal["smtp", "graph", "gmail-api"]
ListenerTls = Literal["off", "starttls", "implicit", "auto"]
UpstreamTls = Literal["starttls", "implicit", "opportunistic", "off"]
TlsVersion = Literal["1.2", "1.3"]
ListenerTlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Profile = Literal["standard", "legacy"]
SenderRule = Literal["keep", "force", "if_not_allowed"]
OverRate = Literal["refuse", "hold"]
Reply = Literal["queued", "delivered"]
Bounces = Literal["operator", "sender", "off"]
Authenticate = Literal["upstream"]
Grant = Literal["client_credentials", "authorization_code", "device_code", "password", "jwt_bearer", "managed_identity"]
AuthMethod = Literal["client_secret_post", "client_secret_basic", "client_secret_header", "private_key_jwt", "none"]
RequestMethod = Literal["POST", "GET"]

# What the relay itself sends to the token endpoint, with the key that sets it.
RESERVED_PARAMETERS = {
    "grant_type": "grant",
    "client_id": "client_id",
    "client_secret": "client_secret",
    "username": "accounts.NAME.username",
    "password": "accounts.NAME.password",
    "assertion": "private_key_file",
    "client_assertion": "private_key_file",
    "client_assertion_type": "private_key_file",
    "scope": "scopes",
}
