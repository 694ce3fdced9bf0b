"""`python -m relay`, and the command `relay`: what has to be done before the program itself is loaded."""

import gc
import signal
import sys


def main() -> None:
    """Run the command that was typed."""
    if sys.argv[1:2] == ["serve"] and sys.platform != "win32":
        # Loading takes a second, and until the relay knows what SIGHUP means that would end it. The system keeps the
        # signal until `service.signals.obey` asks for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # What is loaded stays: to look through it for garbage again and again would be a sixth of the time.
    gc.disable()
    from relay.cli import main as commands  # noqa: PLC0415 (all that comes first)

    gc.enable()
    commands(prog_name="relay")


if __name__ == "__main__":
    main()
