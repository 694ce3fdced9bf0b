"""Comparing addresses with what is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.patterns import AddressPatterns, fold_domain


@pytest.mark.parametrize(
    ("patterns", "address", "allowed"),
    [
        (["*"], "anyone@anywhere", True),
        (["*"], "no address", True),
        (["a@x.org"], "a@x.org", True),
        (["a@x.org"], "A@X.ORG", True),
        (["A.B@X.org"], "a.b@x.ORG", True),
        (["a@x.org"], '"a"@x.org', True),
        (["a@x.org"], "b@x.org", False),
        (["a@x.org"], "a@x.org.evil.com", False),
        (["a@x.org"], "a@sub.x.org", False),
        (["a@x.org"], "a@x.org\n", False),
        (["a@x.org"], " a@x.org", False),
        (["a@x.org"], "", False),
        (["a@x.org"], "a", False),
        (["@x.org"], "anyone@X.org", True),
        (["*@x.org"], "anyone@x.org", True),
        (["@x.org"], "a@sub.x.org", False),
        (["@x.org"], "a@evilx.org", False),
        (["@x.org"], "a@evil.com@x.org", False),
        (["@x.org"], '"a@evil.com"@x.org', False),
        (["@x.org"], "@x.org", False),
        (["@bücher.example"], "a@xn--bcher-kva.example", True),
        (["@xn--bcher-kva.example"], "a@bücher.example", True),
        (["@xn--bcher-kva.example"], "a@BÜCHER.example", True),
        (["@XN--BCHER-KVA.example"], "a@Xn--Bcher-Kva.Example", True),
        (["@bu\u0308cher.example"], "a@bücher.example", True),
        (["a@bücher.example"], "A@xn--bcher-kva.example", True),
        (["@strasse.example"], "a@stra\u00dfe.example", False),
        (["@strasse.example"], "a@xn--strae-oqa.example", False),
        (["@stra\u00dfe.example"], "a@xn--strae-oqa.example", True),
        (["@k.example"], "a@\u212a.example", False),
        (["k@x.org"], "\u212a@x.org", False),
        (["@x.org"], "a@xn--x-.org", False),
        (["@xn--x-.org"], "a@xn--x-.org", True),
        (["@xn--999999999.org"], "a@XN--999999999.org", True),
        (["mü@x.org"], "mü@x.org", True),
        (["a@[192.0.2.1]"], "a@[192.0.2.1]", True),
        ([], "a@x.org", False),
        (["b@y.org", "@x.org", "c@z.org"], "c@z.org", True),
    ],
)
def test_allowed(patterns: list[str], address: str, allowed: bool) -> None:
    assert (address in AddressPatterns(patterns)) is allowed


@pytest.mark.parametrize("pattern", ["", "a", "a b@x", "<a@x>", "a@x, b@x", '"a@b"@x'])
def test_a_pattern_that_can_never_match_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        AddressPatterns([pattern])


def test_other_things_are_not_in_it() -> None:
    assert None not in AddressPatterns(["@x.org"])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.booleans())
def test_the_form_of_a_domain_is_final(domain: str, prefixed: bool) -> None:
    once = fold_domain(("xn--" if prefixed else "") + domain)
    assert fold_domain(once) == once
