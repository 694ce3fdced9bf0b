"""Commands for an administrator, with words in them that a token or the configuration brought."""

import pytest

from relay.advice.exchange import Ids, open_mailbox, quoted, register

GUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("noreply@contoso.com", "noreply@contoso.com"),
        ("o'neil@contoso.com", "'o''neil@contoso.com'"),
        ("a; Remove-Mailbox b", "'a; Remove-Mailbox b'"),
        # PowerShell takes these for quotes as well.
        ("a\u2019; Remove-Mailbox b", "'a\u2019\u2019; Remove-Mailbox b'"),
        ("\u2018\u201a\u201b", "'\u2018\u2018\u201a\u201a\u201b\u201b'"),
        ("$(whoami)", "'$(whoami)'"),
        # At the beginning of a word these mean something else than themselves.
        ("-Confirm", "'-Confirm'"),
        ("@contoso.com", "'@contoso.com'"),
        ("", "''"),
    ],
)
def test_one_word_of_powershell(text: str, word: str) -> None:
    assert quoted(text) == word


def test_only_ids_stand_in_a_command() -> None:
    assert register(Ids.of({"appid": GUID, "oid": GUID})).count(GUID) == 2
    odd = Ids.of({"appid": f"{GUID}; whoami", "oid": [GUID]})
    assert register(odd) == register(Ids())
    assert "-User <object id of the Enterprise application> " in open_mailbox("a@b.c", Ids().principal)
