"""The content of a message as it comes after DATA (RFC 5321 section 4.5.2), in blocks of any size. Pure."""

_END = b"\r\n.\r\n"


class DataContent:
    """Collects content until `CRLF.CRLF`, the only end there is (RFC 5321 section 4.1.1.4).

    Above `limit` octets nothing is kept any more, but the end is still waited for.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        # The CRLF that ended the DATA line begins the first line: ".CRLF" at once is an empty message.
        self._tail = b"\r\n"
        self._received = 0

    @property
    def received(self) -> int:
        """Octets so far, with the dots that stuff them."""
        return self._received

    @property
    def too_large(self) -> bool:
        return self._received > self._limit

    def feed(self, block: bytes) -> bytes | None:
        """Take `block`. None: there is more to come; else the end was in it, and what follows the end is returned."""
        window = self._tail + block
        at = window.find(_END)
        # Where the content ends, counted from the start of all content: the CRLF before the last dot belongs to it.
        end = self._received + len(block) if at < 0 else self._received + at + 2 - len(self._tail)
        # A little more than the limit is kept: what looks like content may turn out to be the start of the end.
        if end <= self._limit + len(_END):
            self._data += block
            del self._data[end:]
        else:
            self._data.clear()
        self._received = end
        self._tail = window[-4:]
        return None if at < 0 else window[at + len(_END) :]

    def content(self) -> bytes:
        """The message, its leading dots taken away; empty if it was too large."""
        if self.too_large:
            return b""
        data = bytes(self._data).removeprefix(b".")
        return data.replace(b"\r\n.", b"\r\n")
