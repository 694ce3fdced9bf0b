"""Durations and sizes as people write them: `30s`, `1h30m`, `35MiB`. Seconds are floats, sizes are octets."""

import re
from datetime import UTC, date, datetime, time

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:([0-9]{1,5})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,9})s)?")
_LONGEST = 3650 * 86400
_LOOSE_DURATION = re.compile(
    r"\s*([0-9]{1,9})\s*(?:([dhms])|(days?|hours?|hrs?|mins?|minutes?|secs?|seconds?))\s*", re.IGNORECASE
)

_OCTETS = {"GiB": 1024**3, "GB": 1000**3, "MiB": 1024**2, "MB": 1000**2, "KiB": 1024, "KB": 1000, "kB": 1000, "B": 1}
_SIZE = re.compile(r"([0-9]{1,15})(GiB|GB|MiB|MB|KiB|KB|kB|B)")
_LOOSE_SIZE = re.compile(r"\s*([0-9]{1,15})\s*([kmg]?)(i?)(b?|bytes?|octets?)\s*", re.IGNORECASE)
_LARGEST = 1024**4


def duration(value: object, *, zero: bool = False) -> float:
    """Seconds from `30s`, `5m`, `2h`, `5d` or `1h30m`; 0 needs no unit where it is allowed. Raises ValueError."""
    if zero and value in (0, "0") and not isinstance(value, bool):
        return 0.0
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError(_duration_hint(value))
    seconds = sum(int(digits or 0) * unit for digits, unit in zip(match.groups(), _SECONDS.values(), strict=True))
    if not seconds and not zero:
        raise ValueError(f'"{value}" is no time at all: write how long, like "30s"')
    if seconds > _LONGEST:
        raise ValueError(f'"{value}" is too long: "3650d" is the most')
    return float(seconds)


def show_duration(seconds: float) -> str:
    """The shortest way to write it: `90.0` is `1m30s`."""
    rest = int(seconds)
    if rest != seconds:
        return f"{seconds:g}s"
    text = ""
    for unit, length in _SECONDS.items():
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _duration_hint(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        whole = int(value) if 0 < value < 1e9 else 30
        return f'{value} is a bare number: write "{whole}s" (or m, h, d)'
    if not isinstance(value, str):
        return 'a duration is needed: text like "30s", "5m", "2h", "5d"'
    if value.isascii() and value.isdigit():
        return f'"{value}" is a bare number: write "{value}s" (or m, h, d)'
    if match := _LOOSE_DURATION.fullmatch(value):
        unit = (match[2] or match[3])[0].lower()
        meant = f"{match[1]}{unit}"
        if meant == value:
            return f'"{value}" is too long: "3650d" is the most'
        return f'"{value}" is no duration: write "{meant}"'
    return f'"{value}" is no duration: write it like "30s", "5m", "2h", "5d" or "1h30m"'


def day(value: object) -> float:
    """Seconds since the epoch from `2027-03-01`, or a moment like `2027-03-01T12:00:00Z`, as text or as TOML's own.

    A day begins in UTC, and so does a moment without a zone. Raises ValueError.
    """
    try:
        # Text of both kinds: fromisoformat() of a day alone gives its beginning.
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime.combine(found, time())
    if not isinstance(found, datetime) or not 2000 <= found.year <= 9000:
        raise ValueError('is no day: write it like "2027-03-01"')
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def show_moment(seconds: float) -> str:
    """A day, and the time of it where that is not its beginning, in UTC."""
    found = datetime.fromtimestamp(seconds, UTC)
    return show_day(seconds) if found.time() == time() else found.isoformat()


def show_day(seconds: float) -> str:
    """`2027-03-01`, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def size(value: object, *, zero: bool = False, least: int = 1) -> int:
    """Octets from `35MiB`, `64KiB`, `10MB`; 0 needs no unit where it is allowed. Raises ValueError."""
    if zero and value in (0, "0") and not isinstance(value, bool):
        return 0
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_size_hint(value))
    octets = int(match[1]) * _OCTETS[match[2]]
    if not octets and not zero:
        raise ValueError(f'"{value}" leaves room for nothing: write a size like "35MiB"')
    if octets < least and not zero:
        raise ValueError(f'"{value}" is too small: "{show_size(least)}" is the least')
    if octets > _LARGEST:
        raise ValueError(f'"{value}" is too large: "1024GiB" is the most')
    return octets


def show_size(octets: int) -> str:
    """The largest unit that divides it: `36700160` is `35MiB`."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB", "KB"):
        if octets and octets % _OCTETS[unit] == 0:
            return f"{octets // _OCTETS[unit]}{unit}"
    return f"{octets}B"


def _size_hint(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'{value} is a bare number: write "{_probable_size(value)}"'
    if not isinstance(value, str):
        return 'a size is needed: text like "35MiB", "64KiB" or "10MB"'
    if value.isascii() and value.isdigit() and len(value) < 16:
        return f'"{value}" is a bare number: write "{_probable_size(int(value))}"'
    if (match := _LOOSE_SIZE.fullmatch(value)) and match[2]:
        letter, binary = match[2].upper(), "i" if match[3] or not match[4] else ""
        return f'"{value}" is no size: write "{match[1]}{letter}{binary}B"'
    return f'"{value}" is no size: write it like "35MiB", "64KiB" or "10MB"'


def _probable_size(number: int) -> str:
    """A small bare number means MiB, a large one octets."""
    return f"{number}MiB" if 0 < number < 1024 else show_size(number) if number > 0 else "35MiB"
