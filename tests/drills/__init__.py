"""Trouble that needs more than a test may ask for (mounts, minutes): run by hand, each a command of its own."""
