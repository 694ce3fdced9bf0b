"""Why the relay cannot start, or cannot do what a new configuration says."""


class StartError(Exception):
    """Something is in the way: the message says what, and what to do."""
