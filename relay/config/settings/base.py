"""What the tables have in common, and the types of their keys: each a type and the form in which a file holds it.

Durations are seconds, sizes octets.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from relay.config import addresses, forms, network, rates
from relay.config.secret import Secret
from relay.model import Rate

Text = Annotated[str, forms.text()]
HostName = Annotated[str, forms.text(network.host)]
Url = Annotated[str, forms.text(network.https_url)]
MailAddress = Annotated[str, forms.text(addresses.address)]
Mailbox = Annotated[str, forms.text(addresses.mailbox)]
File = Annotated[Path, forms.path()]
Hidden = Annotated[Secret, forms.secret()]
Duration = Annotated[float, forms.duration()]
DurationOrZero = Annotated[float, forms.duration(zero=True)]
Size = Annotated[int, forms.size()]
Day = Annotated[float, forms.day()]
"""Seconds since the epoch, at the beginning of that day in UTC."""
Flag = Annotated[bool, forms.flag()]
Port = Annotated[int, forms.count(1, 65535)]
Count = Annotated[int, forms.count(1, 1_000_000)]
Rates = Annotated[tuple[Rate, ...], forms.rates(rates.rate, example='["25 messages/1m"]')]
RecipientRates = Annotated[tuple[Rate, ...], forms.rates(rates.message_rate, example='["5 messages/1m"]')]
Patterns = Annotated[tuple[str, ...], forms.listing(addresses.pattern, example='["noreply@example.com"]')]


class Table(BaseModel):
    """What all tables have in common."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )
