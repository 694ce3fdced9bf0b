"""A person with a browser at the stand-in Entra ID."""

import html
import re
import ssl
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from relay.sandbox import Sandbox


class Browser:
    """Opens links and presses buttons; follows a redirect only when told to."""

    def __init__(self, sandbox: Sandbox, user: str = "", answer: str = "accept") -> None:
        context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        self._http = httpx2.Client(verify=context, trust_env=False, timeout=20)
        self._user = user or sandbox.settings.mailbox
        self._answer = answer

    def consent(self, link: str) -> str:
        """The address that the page of `link` sends the browser to."""
        page = self._http.get(link)
        if page.status_code == 302:
            return str(page.headers["location"])
        assert page.status_code == 200, page.text
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
        fields = {name: html.unescape(value) for name, value in found}
        done = self._http.post(link.partition("?")[0], data={**fields, "user": self._user, "answer": self._answer})
        assert done.status_code == 302, done.text
        return str(done.headers["location"])

    def type_code(self, place: str, code: str) -> None:
        """Enter a device's code."""
        form = {"user_code": code, "user": self._user, "answer": self._answer}
        assert self._http.post(place, data=form).status_code == 200

    def close(self) -> None:
        self._http.close()


def refresh_token(sandbox: Sandbox, scope: str = "https://outlook.office.com/SMTP.Send offline_access") -> str:
    """A refresh token of the sandbox's mailbox, got past the relay."""
    browser = Browser(sandbox)
    redirect = "http://127.0.0.1:1"
    ask = {"client_id": sandbox.settings.client_id, "response_type": "code", "redirect_uri": redirect, "scope": scope}
    link = str(httpx2.URL(urljoin(sandbox.token_endpoint, "authorize"), params=ask))
    code = parse_qs(urlsplit(browser.consent(link)).query)["code"][0]
    form = {"client_id": ask["client_id"], "grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
    answer = browser._http.post(sandbox.token_endpoint, data=form)
    browser.close()
    return str(answer.json()["refresh_token"])
