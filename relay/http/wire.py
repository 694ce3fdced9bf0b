"""One way out - direct, or through one proxy - and the requests on it. Loads the HTTP library."""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx2

from relay.http.errors import HttpError
from relay.http.explain import Progress, explained, proxy_refused, unusable_proxy

CONNECT_TIMEOUT = 10.0
"""Seconds for the connection, and again for TLS; never more than the whole request has."""


class Wire:
    """Connections to any number of servers, kept for the next request."""

    def __init__(self, trust: ssl.SSLContext, proxy: str | None, user_agent: str) -> None:
        self._proxy = shown(proxy) if proxy else ""
        self._client = httpx2.AsyncClient(
            verify=trust,
            proxy=_proxy(proxy, trust) if proxy else None,
            # The environment is read by the caller, who knows what must never go through a proxy.
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # A compressed answer can become a thousand times larger than the octets that are counted.
            headers={"user-agent": user_agent, "accept-encoding": "identity"},
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
        )

    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | AsyncIterable[bytes] | None,
        seconds: float,
        max_response: int,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer. Raises HttpError, or what a streamed `content` raises."""
        target = urlsplit(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        progress = Progress(target.hostname or "", port, seconds, min(seconds, CONNECT_TIMEOUT), self._proxy)
        source = _Source(content) if isinstance(content, AsyncIterable) else None
        try:
            async with asyncio.timeout(seconds):
                request = self._client.build_request(
                    method,
                    url,
                    headers=headers,
                    content=source or content,
                    timeout=httpx2.Timeout(seconds, connect=progress.connect_seconds),
                    extensions={"trace": progress.trace},
                )
                return await self._answer(request, progress, max_response)
        # ValueError: what cannot be a header. OSError: TLS trouble in mid-answer, which the library lets through.
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError) as error:
            # Without its cause: what the libraries say can quote a header with a token in it.
            raise (source and source.error) or explained(error, progress) from None
        finally:
            await progress.clean_up()

    async def close(self) -> None:
        await self._client.aclose()

    async def _answer(
        self, request: httpx2.Request, progress: Progress, max_response: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code == 407:
                raise proxy_refused(progress, "407")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status_code, headers, await _body(response, progress, max_response)
        finally:
            await response.aclose()


async def _body(response: httpx2.Response, progress: Progress, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        hint = "It was asked not to: check what stands between the relay and that server"
        raise HttpError("protocol", f"{progress.host} compressed its answer", hint, sent=True)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            text = f"the answer of {progress.host} is larger than {most:,} octets"
            raise HttpError("too_large", text, "Check that the address is the right one", sent=True)
    return bytes(body)


class _Source:
    """Streamed content that remembers its own error: trouble with our disk is not trouble with the network."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content:
                yield chunk
        except Exception as error:
            self.error = error
            raise


def _proxy(address: str, trust: ssl.SSLContext) -> httpx2.Proxy:
    try:
        # The library refuses a context for a proxy that is itself spoken to without TLS.
        extra: dict[str, Any] = {"ssl_context": trust} if urlsplit(address).scheme == "https" else {}
        proxy = httpx2.Proxy(address, **extra)
    except (ValueError, httpx2.InvalidURL):
        raise unusable_proxy(shown(address)) from None
    if proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise unusable_proxy(shown(address))
    return proxy


def shown(proxy: str) -> str:
    """The proxy's address without its login."""
    return proxy.rpartition("@")[2].rpartition("//")[2].partition("/")[0]
