"""Fuzz targets: what reads a stranger's octets, with what must hold for any of them.

    python -m tests.fuzz TARGET [--seconds N]     looks for inputs that break it, guided by coverage (atheris)
    python -m tests.fuzz TARGET FILE...           runs these inputs, without atheris

atheris is in requirements/fuzz.txt (`make fuzz` installs it): it has no wheels for every Python, and the suite does not
need it. Inputs worth keeping stand in corpus/TARGET; test_corpus.py runs all of them with the suite.

`session` is a whole session of the listener, `headers` a header block seen by the policy, the others one reader each.
What breaks one is written to the current folder as crash-...: mend it, and keep the input in the corpus.
"""
