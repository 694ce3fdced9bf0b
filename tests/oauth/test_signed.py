"""Tokens that a provider has signed, with keys as providers publish them."""

import functools
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from relay.oauth.key_set import SigningKey
from relay.oauth.signed import NotBelievedError, Signed
from tests.support.keys import rsa_key

CLAIMS = {"iss": "https://login.example.com", "aud": "the client", "exp": 1}


@functools.cache
def curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def token(key: Any = None, alg: str = "RS256", **claims: object) -> str:
    return jwt.encode(CLAIMS | claims, key or rsa_key(), alg)


def key(private: Any = None, algorithm: str = "") -> SigningKey:
    return SigningKey("", algorithm, (private or rsa_key()).public_key())


@pytest.mark.parametrize("alg", ["RS256", "PS256", "RS512"])
def test_a_key_without_an_algorithm_is_for_each_of_its_kind(alg: str) -> None:
    """Microsoft's keys name none."""
    assert Signed(token(alg=alg)).claims([key()], "the client")["iss"] == CLAIMS["iss"]


def test_a_key_with_an_algorithm_is_for_that_one() -> None:
    with pytest.raises(NotBelievedError, match="signature"):
        Signed(token(alg="RS256")).claims([key(algorithm="PS256")], "the client")


def test_a_token_that_names_no_key_is_held_against_each() -> None:
    keys = [key(curve()), key(rsa_key(1)), key()]
    assert Signed(token()).claims(keys, "the client")["aud"] == "the client"
    assert Signed(token(curve(), "ES256")).claims(keys, "the client")["aud"] == "the client"
    with pytest.raises(NotBelievedError, match="signature"):
        Signed(token(rsa_key(2))).claims(keys, "the client")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (token(aud="another"), "is not for the client"),
        (token(exp=None), "cannot be believed"),
        (jwt.encode(CLAIMS, "a shared secret of some length, which nobody has", "HS256"), "not accepted: HS256"),
        (jwt.encode(CLAIMS, "", "none"), "not accepted: none"),
    ],
)
def test_what_is_not_believed(text: str, says: str) -> None:
    with pytest.raises(NotBelievedError, match=says):
        Signed(text).claims([key()], "the client")
