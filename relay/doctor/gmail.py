"""The Gmail API: reached, and the token taken. Nothing is sent.

The user's profile is asked for. A token that may only send has no right to read it, so that a refusal for its scope is
as good an answer as the profile; other refusals say what is missing.
"""

from relay import providers
from relay.config import Account
from relay.doctor.report import State, Step
from relay.http import HttpClient, HttpError
from relay.oauth import Token
from relay.upstream.gmail.replies import classify, read_error


async def examine(name: str, account: Account, token: Token | None, http: HttpClient) -> Step:
    """Ask Gmail about the user of account `name`, without a token where there is none."""
    root = (account.mail_endpoint or providers.GMAIL_API_ROOT).rstrip("/")
    headers = {"authorization": f"Bearer {token.value}"} if token is not None else {}
    try:
        response = await http.request("GET", f"{root}/gmail/v1/users/me/profile", headers=headers)
    except HttpError as error:
        return Step("gmail", State.FAIL, error.text, error.hint)
    said = read_error(response.body)
    answer = f"{root} answers {response.status} {said.reason}".rstrip()
    if token is None:
        return Step("gmail", State.OK, f"{answer}, asked without a token")
    if response.status == 200 or said.reason in ("insufficientPermissions", "PERMISSION_DENIED"):
        return Step("gmail", State.OK, answer)
    result = classify(response.status, response.body, None, 0.0, mailbox=account.mailbox or "", account=name)
    state = State.WARN if response.status in (429, 500, 502, 503, 504) else State.FAIL
    return Step("gmail", state, f"{answer}: {said.message}".rstrip(": "), result.hint)
