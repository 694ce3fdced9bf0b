"""Builds every part, runs them, stops them."""

from relay.service.errors import StartError
from relay.service.http_server import serve_http
from relay.service.running import ROLES, Service, run, serve
from relay.service.trial import sandbox_alone, serve_sandbox

__all__ = ["ROLES", "Service", "StartError", "run", "sandbox_alone", "serve", "serve_http", "serve_sandbox"]
