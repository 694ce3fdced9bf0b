"""Why a sign-in came to nothing."""


class ConsentError(Exception):
    """Nothing was stored; the text is a sentence with the next step."""
