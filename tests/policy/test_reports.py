"""What a report says of the account that a message was to leave through."""

from pathlib import Path

import pytest

from relay import config
from relay.policy import Policy
from relay.policy.reports import ReportRules

_OAUTH = '[accounts.a.oauth]\nclient_id = "i"\nclient_secret = "s"\n'
_MICROSOFT = 'provider = "microsoft"\ntenant = "contoso.com"\nmailbox = "a@contoso.com"\n'
_GOOGLE = 'provider = "google"\nmailbox = "a@x.org"\n'
_SIGN_IN = _OAUTH + 'grant = "authorization_code"\n'


@pytest.mark.parametrize(
    ("account", "remote"),
    [
        (_MICROSOFT + _OAUTH, "smtp.office365.com"),
        (_MICROSOFT + 'via = ["graph"]\n' + _OAUTH, "graph.microsoft.com"),
        (_MICROSOFT + 'via = ["smtp", "graph"]\n' + _OAUTH, "smtp.office365.com"),
        (_MICROSOFT + 'via = ["graph"]\ncloud = "us-gov"\n' + _OAUTH, "graph.microsoft.us"),
        (_GOOGLE + 'via = ["gmail-api"]\n' + _SIGN_IN, "gmail.googleapis.com"),
        ('provider = "sink"\n', ""),
    ],
)
def test_the_server_is_that_of_the_first_way(tmp_path: Path, account: str, remote: str) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(f'state_folder = "{tmp_path}"\n[accounts.a]\n{account}')
    path.chmod(0o600)
    settings = config.load(path, {})
    assert ReportRules(settings, Policy(settings)).remote("a") == remote
