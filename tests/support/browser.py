"""A real browser without a window: Debian's Chromium, driven by playwright."""

import contextlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from typing import Self

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; it talks to nobody by itself."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def looking(
    browser: Browser, *, width: int = 1280, script: bool = True, dark: bool = False, hostile: bool = False
) -> Iterator[Page]:
    """A page of its own session. Fails in the end if a script failed or a policy was broken.

    `hostile`: what is looked at will try, and the browser tells that it was kept from it.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 860},
        java_script_enabled=script,
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda line: troubles.append(line.text))
    page.on("dialog", lambda dialog: troubles.append(f"error: a dialog: {dialog.message}"))
    try:
        yield page
        assert hostile or troubles == []
    finally:
        context.close()


class Tracker:
    """A web server that hostile mail would like the browser to come to; `hits` are the paths that were asked for."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        hits = self.hits

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hits.append(self.path)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_GET  # noqa: N815 (the name is http.server's)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
