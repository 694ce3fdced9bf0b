"""Sealing: what goes in comes out, and with the wrong key, purpose or octets nothing does."""

import base64
import multiprocessing
import stat
from pathlib import Path

import pytest

from relay.config import Secret, Store
from relay.seal import Sealer, SealError

FIRST = base64.b64encode(b"1" * 32).decode()
SECOND = base64.b64encode(b"2" * 32).decode()
TOKEN = "a refresh token"
PURPOSE = "refresh token of office"


def sealer(folder: Path, key: str | None = None, previous: str | None = None) -> Sealer:
    made = {name: Secret(text, where="relay.toml") for name, text in (("key", key), ("key_previous", previous)) if text}
    return Sealer(Store(**made), folder / "store.key")


def test_it_opens_what_it_sealed(tmp_path: Path) -> None:
    one = sealer(tmp_path, FIRST)
    sealed = one.seal(TOKEN, PURPOSE)
    assert TOKEN not in sealed
    assert one.open(sealed, PURPOSE) == TOKEN
    assert one.seal(TOKEN, PURPOSE) != sealed, "two seals of one text tell nobody that it is the same"
    assert list(tmp_path.iterdir()) == [], "no key is made beside a configured one"


def test_the_relay_makes_its_own_key_private_to_its_user(tmp_path: Path) -> None:
    sealed = sealer(tmp_path).seal(TOKEN, PURPOSE)
    file = tmp_path / "store.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(base64.b64decode(file.read_text())) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["store.key"]
    assert sealer(tmp_path).open(sealed, PURPOSE) == TOKEN


def _seal(folder: str) -> str:
    return sealer(Path(folder)).seal(TOKEN, PURPOSE)


def test_processes_that_make_the_key_at_once_agree_on_one(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        sealed = pool.map(_seal, [str(tmp_path)] * 6)
    assert [sealer(tmp_path).open(one, PURPOSE) for one in sealed] == [TOKEN] * 6


def test_a_key_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "store.key").write_text("damaged")
    with pytest.raises(SealError, match=r"store\.key\) is no key: .*openssl rand -base64 32"):
        sealer(tmp_path).seal(TOKEN, PURPOSE)
    assert (tmp_path / "store.key").read_text() == "damaged"


def test_another_key_opens_nothing_and_says_which_is_needed(tmp_path: Path) -> None:
    sealed = sealer(tmp_path, FIRST).seal(TOKEN, PURPOSE)
    with pytest.raises(SealError) as caught:
        sealer(tmp_path, SECOND).open(sealed, PURPOSE)
    text = str(caught.value)
    assert sealed.split(".")[1] in text
    assert "written in relay.toml" in text
    assert "key_previous_file" in text
    assert FIRST not in text
    assert SECOND not in text


def test_the_previous_key_still_opens_and_no_longer_seals(tmp_path: Path) -> None:
    sealed = sealer(tmp_path, FIRST).seal(TOKEN, PURPOSE)
    rotated = sealer(tmp_path, SECOND, previous=FIRST)
    assert rotated.open(sealed, PURPOSE) == TOKEN
    assert not rotated.is_current(sealed)
    again = rotated.seal(TOKEN, PURPOSE)
    assert rotated.is_current(again)
    assert sealer(tmp_path, SECOND).open(again, PURPOSE) == TOKEN


def test_a_key_file_that_is_exchanged_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(FIRST)
    one = Sealer(Store(key=Secret(file=file)), tmp_path / "store.key")
    before = one.seal(TOKEN, PURPOSE)
    file.write_text(SECOND)
    assert not one.is_current(before)


def test_what_is_sealed_for_one_purpose_opens_for_no_other(tmp_path: Path) -> None:
    one = sealer(tmp_path, FIRST)
    with pytest.raises(SealError, match="changed or damaged"):
        one.open(one.seal(TOKEN, PURPOSE), "refresh token of other")


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_changed_octet_is_noticed(tmp_path: Path, place: int) -> None:
    one = sealer(tmp_path, FIRST)
    head, _, body = one.seal(TOKEN, PURPOSE).rpartition(".")
    octets = bytearray(base64.urlsafe_b64decode(body))
    octets[place % len(octets)] ^= 1
    with pytest.raises(SealError):
        one.open(f"{head}.{base64.urlsafe_b64encode(octets).decode()}", PURPOSE)


@pytest.mark.parametrize("sealed", ["", "1", "1.abc", "2.00000000.AAAA", "a token in the clear"])
def test_what_was_never_sealed_is_told_apart(tmp_path: Path, sealed: str) -> None:
    with pytest.raises(SealError, match="not in a form"):
        sealer(tmp_path, FIRST).open(sealed, PURPOSE)


@pytest.mark.parametrize("rest", ["", "A", "????", "AAAA"])
def test_a_cut_off_text_is_damaged(tmp_path: Path, rest: str) -> None:
    one = sealer(tmp_path, FIRST)
    head = one.seal(TOKEN, PURPOSE).rpartition(".")[0]
    with pytest.raises(SealError):
        one.open(f"{head}.{rest}", PURPOSE)


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    one = Sealer(Store(key=Secret(file=tmp_path / "gone")), tmp_path / "store.key")
    with pytest.raises(SealError, match="gone: does not exist"):
        one.seal(TOKEN, PURPOSE)


def test_a_folder_that_does_not_exist_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(SealError, match=r"store\.key cannot be made: .*key_file"):
        sealer(tmp_path / "gone").seal(TOKEN, PURPOSE)


def test_the_key_is_in_no_repr(tmp_path: Path) -> None:
    one = sealer(tmp_path, FIRST)
    assert "1111" not in repr(one._key())
    assert FIRST not in repr(one._key())
