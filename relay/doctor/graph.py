"""Microsoft Graph: reached, and the token taken. Nothing is sent.

The mailbox's directory entry is asked for. `Mail.Send` alone gives no right to read it, so that a refusal (403) is as
good an answer as the entry; 401 says that Graph does not take the token, 404 that it knows no such mailbox.
"""

from urllib.parse import quote

from relay import providers
from relay.config import Account
from relay.doctor.report import State, Step
from relay.http import HttpClient, HttpError
from relay.oauth import Token
from relay.upstream.graph.replies import classify, read_error

_NO_MAILBOX = frozenset({"Request_ResourceNotFound", "ResourceNotFound", "ErrorInvalidUser"})


async def examine(name: str, account: Account, token: Token | None, http: HttpClient) -> Step:
    """Ask Graph about the mailbox of account `name`, without a token where there is none."""
    root = (account.mail_endpoint or providers.CLOUDS[account.cloud].graph_root).rstrip("/")
    mailbox = account.mailbox or (token.user if token is not None else "")
    place = f"users/{quote(mailbox, safe='@')}" if mailbox else "me"
    url = f"{root}/v1.0/{place}?$select=id"
    headers = {"authorization": f"Bearer {token.value}"} if token is not None else {}
    try:
        response = await http.request("GET", url, headers=headers)
    except HttpError as error:
        return Step("graph", State.FAIL, error.text, error.hint)
    said = read_error(response.body)
    answer = f"{root} answers {response.status} {said.code}".rstrip()
    if token is None:
        return Step("graph", State.OK, f"{answer}, asked without a token")
    unknown = response.status == 404 and said.code in _NO_MAILBOX
    if response.status == 401 or unknown or response.status >= 500 or response.status == 429:
        result = classify(response.status, said, response.retry_after, mailbox=mailbox, account=name)
        state = State.FAIL if response.status < 500 and response.status != 429 else State.WARN
        return Step("graph", state, f"{answer}: {said.message}".rstrip(": "), result.hint)
    return Step("graph", State.OK, answer)
