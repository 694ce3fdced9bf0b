"""Forms as browsers send them, read with a limit."""

from urllib.parse import parse_qs

from starlette.requests import Request

LARGEST = 1024 * 1024
_MOST_FIELDS = 5000


class FormError(ValueError):
    """A form that cannot be read: the message says why."""


async def read(request: Request) -> dict[str, list[str]]:
    """The fields of an `application/x-www-form-urlencoded` body. Raises FormError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise FormError(f"the form is larger than {LARGEST:,} octets")
    try:
        return parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise FormError(f"the form cannot be read: {error}") from error


def one(form: dict[str, list[str]], name: str) -> str:
    """The value of a field, "" when it is not there."""
    return form.get(name, [""])[0].strip()
