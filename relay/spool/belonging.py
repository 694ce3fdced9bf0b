"""Whose bodies a folder holds: what no message needs is deleted when the relay starts, and only the right queue knows.

A damaged database that was moved away for its repair, or another one in the same folder, has never heard of the bodies
there: swept by its knowledge, mail that was answered with 250 would lose its content.
"""

from pathlib import Path

_MARK = "bodies.database"


def mark_of(bodies: Path) -> Path:
    """The file that names the databases whose bodies are in the folder `bodies`."""
    return bodies.with_name(_MARK)


def belong_to(bodies: Path, identity: str) -> bool:
    """Whether what is in `bodies` is of the database of this identity alone, which is named from now on.

    Blocks; raises OSError.
    """
    mark = mark_of(bodies)
    try:
        known = mark.read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        known = []
    if identity not in known:
        known.append(identity)
        mark.write_text("".join(f"{each}\n" for each in known), encoding="ascii")
        mark.chmod(0o600)
    return known == [identity]
