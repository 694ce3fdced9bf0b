"""Requests to HTTP servers that may be slow, broken or hostile: token endpoints and mail APIs.

The one door to the HTTP library, which is loaded at the first request: a relay that only catches mail starts faster
without it. Every request has a deadline, every answer a largest size; redirects are never followed (they would carry
credentials to wherever the answer points), cookies are never kept (accounts share this client), and a failure is an
`HttpError` that names the host and the next step and never quotes what was sent or received.

`closing`, beside it, is for servers.
"""

from relay.http.client import DefaultSettings, HttpClient, HttpResponse, HttpSettings
from relay.http.errors import HttpError
from relay.http.waiting import retry_after

__all__ = ["DefaultSettings", "HttpClient", "HttpError", "HttpResponse", "HttpSettings", "retry_after"]
