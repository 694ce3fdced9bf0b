"""The command: `python -m tests.fuzz TARGET [--seconds N] [FILE...]`."""

import argparse
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Fuzz a target, or run files; the exit code is not 0 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for inputs that break a reader.")
    parser.add_argument("target")
    parser.add_argument("files", nargs="*", type=Path, help="inputs to run instead of looking for new ones")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="a folder for what reaches new code (thrown away)")
    options = parser.parse_args()
    return _replay(options) if options.files else _fuzz(options)


def _replay(options: argparse.Namespace) -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 (after atheris, where that is used)

    for file in options.files:
        TARGETS[options.target](file.read_bytes())
    return 0


def _fuzz(options: argparse.Namespace) -> int:
    try:
        import atheris  # noqa: PLC0415 (only here)
    except ImportError:
        sys.exit("atheris is not installed: `make fuzz` does that (requirements/fuzz.txt)")
    # What is imported under it reports which branches an input takes.
    with atheris.instrument_imports(include=["relay"]):
        from tests.fuzz.targets import CORPUS, TARGETS  # noqa: PLC0415
    if options.target not in TARGETS:
        sys.exit(f"there is no such target; there are {', '.join(TARGETS)}")
    with tempfile.TemporaryDirectory() as folder:
        keep = str(options.keep or folder)
        limits = [f"-max_total_time={options.seconds}", "-max_len=4096", "-rss_limit_mb=2048", "-timeout=20"]
        atheris.Setup([sys.argv[0], *limits, keep, str(CORPUS / options.target)], TARGETS[options.target])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
