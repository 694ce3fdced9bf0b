"""Finding the parts of a message, in pieces of any size, and decoding what is in them."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mime.parts import Part, Scanner, StructureError, scan
from relay.mime.transfer import base64_lines, decoded, decoder


def halves(raw: bytes) -> tuple[bytes, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def content(part: Part, body: bytes) -> bytes:
    return decoded(part.encoding, body[part.start : part.start + part.size])


def newsletter() -> bytes:
    made = EmailMessage(policy=email.policy.SMTP)
    made["Subject"] = "x"
    made.set_content("plain ü\n")
    made.add_alternative('<p><img src="cid:logo@x">ü</p>\n', subtype="html")
    related = made.get_payload(1)
    assert isinstance(related, EmailMessage)
    related.add_related(b"\x89PNG" * 1000, "image", "png", cid="<logo@x>", filename="logo.png")
    made.add_attachment(b"%PDF" * 5000, maintype="application", subtype="pdf", filename="Rechnung für Jörg.pdf")
    inner = EmailMessage(policy=email.policy.SMTP)
    inner["Subject"] = "inside"
    inner.set_content("--no delimiter\n")
    made.add_attachment(inner)
    return made.as_bytes()


def test_a_newsletter() -> None:
    headers, body = halves(newsletter())
    root = scan(headers, body)
    leaves = list(root.leaves())
    kinds = ["text/plain", "text/html", "image/png", "application/pdf", "message/rfc822"]
    assert [leaf.kind for leaf in leaves] == kinds
    assert content(leaves[0], body) == "plain ü\r\n".encode()
    assert content(leaves[2], body) == b"\x89PNG" * 1000
    assert content(leaves[3], body) == b"%PDF" * 5000
    assert (leaves[2].content_id, leaves[2].disposition, leaves[2].file_name) == ("logo@x", "attachment", "logo.png")
    assert (leaves[3].file_name, leaves[3].disposition) == ("Rechnung für Jörg.pdf", "attachment")
    assert b"Subject: inside" in content(leaves[4], body)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 100_000])
def test_pieces_of_any_size(step: int) -> None:
    headers, body = halves(newsletter())
    scanner = Scanner(headers)
    for start in range(0, len(body), step):
        scanner.feed(body[start : start + step])
    assert ranges(scanner.finish()) == ranges(scan(headers, body))


def ranges(part: Part) -> list[tuple[int, int, int, bytes]]:
    own = (part.begin, part.start, part.end, part.headers)
    return [own, *(each for child in part.parts for each in ranges(child))]


@pytest.mark.parametrize("number", range(5))
def test_without_a_part_the_rest_is_whole(number: int) -> None:
    headers, body = halves(newsletter())
    leaves = list(scan(headers, body).leaves())
    gone = leaves.pop(number)
    rest = body[: gone.begin] + body[gone.end :]
    assert [(leaf.kind, content(leaf, rest)) for leaf in scan(headers, rest).leaves()] == [
        (leaf.kind, content(leaf, body)) for leaf in leaves
    ]
    others = [part.get_content_type() for part in email.message_from_bytes(headers + b"\r\n" + rest).walk()]
    assert gone.kind not in others or gone.kind == "text/plain"


MIXED = b'Content-Type: multipart/mixed; boundary="b"\r\n'


@pytest.mark.parametrize(
    ("body", "contents"),
    [
        (b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
        (b"preamble --b\r\n--b \t\r\n\r\none\r\n--b--", [b"one"]),
        (b"--b\r\n\r\none\r\n", [b"one\r\n"]),
        (b"--b\r\n\r\n--b\r\nA: b\r\n\r\n--b--\r\n", [b"", b""]),
        (b"--b\r\n\r\none\r\n--bc\r\n--b--\r\nepilogue\r\n--b\r\n\r\nno", [b"one\r\n--bc"]),
        (b"--b\r\n\r\none\r\n--" + b"x" * 1000 + b"\r\n--b--\r\n", [b"one\r\n--" + b"x" * 1000]),
        (
            b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--b\r\n\r\nout\r\n--b--\r\n",
            [b"in", b"out"],
        ),
    ],
)
def test_odd_delimiters(body: bytes, contents: list[bytes]) -> None:
    assert [content(leaf, body) for leaf in scan(MIXED, body).leaves()] == contents


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\nA: b",
        b"--b\r\nA: b\r\n--b\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"A: b\r\n" * 20_000,
        b"--b\r\n\r\n\r\n" * 1001,
    ],
)
def test_what_cannot_be_taken_apart(body: bytes) -> None:
    with pytest.raises(StructureError):
        scan(MIXED, body)


def test_a_message_in_one_piece() -> None:
    root = scan(b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: BASE64\r\n", b"JVBERg==\r\n")
    assert (root.kind, root.encoding, root.size, root.parts) == ("application/pdf", "base64", 10, [])
    assert content(root, b"JVBERg==\r\n") == b"%PDF"


@pytest.mark.parametrize(("kind", "protected"), [("multipart/signed", True), ("multipart/mixed", False)])
def test_protected(kind: str, protected: bool) -> None:
    assert scan(f"Content-Type: {kind}; boundary=x\r\n".encode(), b"").is_protected is protected


@given(st.binary(max_size=500), st.sampled_from(["base64", "quoted-printable"]), st.integers(1, 90))
def test_decoding(data: bytes, encoding: str, step: int) -> None:
    if encoding == "base64":
        encoded = base64_lines(data)
    else:
        encoded = b"".join(b"=%02X" % octet for octet in data)
        encoded = b"=\r\n".join(encoded[at : at + 75] for at in range(0, len(encoded), 75))
    one = decoder(encoding)
    assert one is not None
    pieces = [one.feed(encoded[at : at + step]) for at in range(0, len(encoded), step)]
    assert b"".join(pieces) + one.finish() == data


def test_an_encoding_that_nobody_knows() -> None:
    assert decoder("x-uuencode") is None
    assert decoded("x-uuencode", b"begin") == b"begin"
    assert decoded("base64", b"YWJj\r\nZ!A\r\n") == b"abcd"
    assert decoded("base64", b"A") == b""


@pytest.mark.parametrize("charset", ["undefined", "idna", "a\0b", "nonsense", "utf-16"])
@pytest.mark.parametrize("name", ["name", "charset", "boundary", "filename"])
def test_parameters_in_a_character_set_that_the_library_trips_over(charset: str, name: str) -> None:
    value = f"multipart/mixed; {name}*={charset}''%ff%fe\r\n".encode()
    for field in (b"Content-Type: ", b"Content-Disposition: "):
        part = Part(field + value, 0, 0)
        assert all(isinstance(one, str) for one in (part.kind, part.charset, part.file_name, part.disposition))
        assert isinstance(part.boundary, bytes)
