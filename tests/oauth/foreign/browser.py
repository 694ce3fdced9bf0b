"""A user with a browser at the foreign server: opens the page, fills in its form, goes where it is sent.

Also a program (CA-FILE USER ANSWER LINK), to be named in the environment as BROWSER. Python's own library only.
"""

import ssl
import sys
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlencode


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Browser:
    """`answer` is "accept" or "cancel"."""

    def __init__(self, ca_file: Path, user: str, answer: str = "accept") -> None:
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca_file)))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls, _Stay)
        self._form = {"user": user, "answer": answer}

    def sign_in(self, link: str) -> str:
        """Where the page of `link` sends the browser after the form."""
        self._text(link)
        try:
            self._text(link, self._form)
        except urllib.error.HTTPError as answer:
            with answer:
                if answer.code != 302:
                    raise AssertionError(answer.read().decode()) from None
                return str(answer.headers["location"])
        raise AssertionError("the browser was not sent back")

    def type_code(self, place: str, code: str) -> None:
        """Enter a device's code."""
        self._text(place)
        assert self._text(place, {**self._form, "user_code": code}) == "done"

    def visit(self, address: str) -> str:
        return self._text(address)

    def _text(self, address: str, form: dict[str, str] | None = None) -> str:
        sent = urlencode(form).encode() if form else None
        with self._opener.open(address, sent, timeout=20) as answer:
            return str(answer.read().decode())


if __name__ == "__main__":
    ca_file, user, answer, link = sys.argv[1:]
    person = Browser(Path(ca_file), user, answer)
    person.visit(person.sign_in(link))
