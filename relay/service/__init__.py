"""Builds every part, runs them, stops them.

`running` puts the parts together in a `Service`, and `process` runs one. `doors` (listeners), `page`, `exits` (ways
out) and `tokens` make what needs more than a line; `reload` exchanges it while the relay runs, as `changes` and `parts`
say. `trial` is the relay beside a stand-in Microsoft.
"""

from relay.service.errors import StartError
from relay.service.http_server import serve_http
from relay.service.process import run, serve
from relay.service.running import ROLES, Service
from relay.service.trial import sandbox_alone, serve_sandbox

__all__ = ["ROLES", "Service", "StartError", "run", "sandbox_alone", "serve", "serve_http", "serve_sandbox"]
