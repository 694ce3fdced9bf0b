"""The configuration: read strictly, checked whole, and told in words.

`load()` makes `Settings` of a TOML file and the environment, or raises `ConfigError` with every problem at once.
"""

from relay.config.describe import describe
from relay.config.findings import ConfigError, Problem
from relay.config.hashes import is_bcrypt
from relay.config.hashes import unusable as unusable_hash
from relay.config.htpasswd import Htpasswd
from relay.config.load import load
from relay.config.network import Bind
from relay.config.rates import show_rate
from relay.config.secret import Secret, SecretError, read_together
from relay.config.settings import Account, Alerts, Client, Http, Listener, Log, OAuth, Queue, Settings, Sink, Store, Web
from relay.config.show import Value, values

__all__ = [
    "Account",
    "Alerts",
    "Bind",
    "Client",
    "ConfigError",
    "Htpasswd",
    "Http",
    "Listener",
    "Log",
    "OAuth",
    "Problem",
    "Queue",
    "Secret",
    "SecretError",
    "Settings",
    "Sink",
    "Store",
    "Value",
    "Web",
    "describe",
    "is_bcrypt",
    "load",
    "read_together",
    "show_rate",
    "unusable_hash",
    "values",
]
