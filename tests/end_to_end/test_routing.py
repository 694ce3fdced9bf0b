"""Several accounts behind one client, over the whole way."""

from pathlib import Path

from tests.support.way import message, send, way

OTHER = "other@sandbox.onmicrosoft.com"
SEVERAL = """
[clients.app]
networks = ["127.0.0.0/8", "::1/128"]
accounts = ["internal", "office"]
sender = "force"
reply = "delivered"
"""


def test_a_message_is_split_between_two_accounts(tmp_path: Path) -> None:
    with way(tmp_path, more_mailboxes=(OTHER,)) as at:
        internal = at.stand_in.account("internal", OTHER, 'recipients = ["@contoso.com"]')
        with at.relay(clients=SEVERAL + internal) as process:
            send(process, message().as_bytes(), "ann@contoso.com", "bob@example.org", "eve@contoso.com")
            taken = {one.mailbox: one for one in at.wait_received(2)}
        assert set(taken) == {OTHER, at.stand_in.sandbox.settings.mailbox}
        inside, outside = taken[OTHER], taken[at.stand_in.sandbox.settings.mailbox]
        assert inside.recipients == ("ann@contoso.com", "eve@contoso.com")
        assert outside.recipients == ("bob@example.org",)
        assert (inside.sender, outside.sender) == (inside.mailbox, outside.mailbox)
        assert OTHER.encode() in inside.raw.partition(b"\r\nFrom:")[2].partition(b"\r\n")[0]
        assert inside.raw.partition(b"\r\n\r\n")[2] == outside.raw.partition(b"\r\n\r\n")[2]
