"""An access token, and how long it may be used."""

from dataclasses import dataclass, field

MARGIN = 600.0
"""Seconds before its end from which a token is renewed, if that is less than `MARGIN_SHARE` of its life."""
MARGIN_SHARE = 0.2
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. Times are seconds since the epoch by this machine's clock.

    From `refresh_at` on it is renewed in the background, at `expires_at` it ends. `scope` is what the provider said
    that it granted, "" when it said nothing; `user` is who has signed in for it, "" where that is not known.
    """

    value: str = field(repr=False)
    expires_at: float
    refresh_at: float
    scope: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token endpoint gave. `lifetime` and `refresh_in` are seconds from the moment it arrived.

    `refresh_token` and `id_token` are "" when none came with it, and so is `user` where nobody has signed in.
    """

    value: str = field(repr=False)
    lifetime: float
    refresh_in: float | None = None
    scope: str = ""
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    user: str = ""


def refresh_after(lifetime: float, refresh_in: float | None, margin: float | None, chance: float) -> float:
    """Seconds after its arrival from which a token is renewed in the background.

    A provider's `refresh_in` counts if it comes before the margin. `margin` is the configured one; it is held to half
    the lifetime, or a short-lived token would be renewed all the time. `chance`, from 0 to 1, spreads relays that
    started together: a little after `refresh_in`, which asks not to come earlier, and a little before the margin.
    """
    wanted = min(MARGIN, lifetime * MARGIN_SHARE) if margin is None else margin
    held = min(wanted, lifetime / 2)
    latest = lifetime - held
    if refresh_in is not None and refresh_in < latest:
        return min(latest, refresh_in * (1 + _JITTER * chance))
    return latest - held * _JITTER * chance
