"""How a user signs in and consents, once: in a browser, or with a code that is typed on another machine.

A library: `sign_in` takes a `Person` to talk to, which the command line is one form of. What comes out is in the store
of sign-ins, and from then on `relay.oauth.refresh` renews tokens with it.
"""

from relay.oauth.consent.account import Authorized, TryOut, authorize
from relay.oauth.consent.errors import ConsentError
from relay.oauth.consent.settings import ConsentSettings
from relay.oauth.consent.sign_in import Parts, Person, sign_in

__all__ = ["Authorized", "ConsentError", "ConsentSettings", "Parts", "Person", "TryOut", "authorize", "sign_in"]
