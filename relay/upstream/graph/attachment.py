"""An attachment as Graph's JSON describes it. Pure; its content in base64 is put in where the description is cut."""

import json
from typing import Any

from relay.upstream.graph.layout import Attached

_END = b'"}'


def about(one: Attached) -> dict[str, Any]:
    """What Graph is told of it besides its name: type, whether the text shows it, and by which Content-ID."""
    told: dict[str, Any] = {"contentType": one.part.kind, "isInline": one.inline}
    return told | ({"contentId": one.part.content_id} if one.part.content_id else {})


def around_content(one: Attached) -> tuple[bytes, bytes]:
    """The whole JSON object: what stands in front of the content, and what behind it."""
    kind = "#microsoft.graph.fileAttachment"
    whole = json.dumps({"@odata.type": kind, "name": one.name, **about(one), "contentBytes": ""}).encode()
    return whole.removesuffix(_END), _END
