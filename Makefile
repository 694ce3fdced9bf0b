# The commands of this repository. `make run` and `make test` need make and Python 3.11 or newer, nothing else:
# they make a virtual environment in .venv and install what requirements/ pins by hash. A second call is quick.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --require-virtualenv
COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
PYTEST_ARGS ?= -n auto

# A virtual environment holds the absolute paths of its folder and of its Python: after a move of the folder or an
# upgrade of Python it is made anew.
ifneq ($(wildcard $(VENV)/.made),)
$(shell test "$$(cat $(VENV)/.made)" = "$(CURDIR)" && $(BIN)/python -c '' 2>/dev/null || rm -f $(VENV)/.made)
endif

.DEFAULT_GOAL := help
.PHONY: help run test check format bench fuzz fuzz-api lock clean left-out

help:
	@echo "make run      start the relay with a stand-in Exchange: mail to localhost:2525, page on http://localhost:8025"
	@echo "make test     all checks and all tests"
	@echo "make check    ruff and mypy only"
	@echo "make format   put the code in the one layout"
	@echo "make bench    measure, beside a simple relay (takes minutes)"
	@echo "make fuzz     feed the readers of strangers' octets what breaks them (TARGET=session SECONDS=60)"
	@echo "make fuzz-api ask both APIs for what their documents say and do not say (takes minutes)"
	@echo "make lock     pin the dependencies anew after a change in pyproject.toml (UPGRADE=1: newest versions)"
	@echo "make clean    remove .venv and everything else that was made here"

run: $(VENV)/.run
	@exec $(BIN)/relay serve --sandbox

test: check left-out $(VENV)/.mailpit $(VENV)/.fuzz-api
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

fuzz-api: $(VENV)/.fuzz-api
	FUZZ_SECONDS=120 $(BIN)/python -m pytest tests/web/test_fuzz.py

fuzz: $(VENV)/.test
	@$(PIP) install --require-hashes -r requirements/fuzz.txt
	$(BIN)/python -m tests.fuzz $(or $(TARGET),session) --seconds $(or $(SECONDS),60)

# What the tests would also use, but only root can install; .ci/run installs it all.
left-out:
	@while read -r package command what; do \
		case "$$package" in ''|'#'*) continue ;; esac; \
		[ -e "$$command" ] || command -v "$$command" >/dev/null 2>&1 || \
		echo "make: left out, as root can install it only: $$what (apt-get install $$package)"; \
	done < .ci/packages

$(VENV)/.made:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		if ! "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then bare="$$bare $$version"; continue; fi; \
		echo "make: setting up $(VENV) with Python $$version"; \
		"$$python" -m venv --clear $(VENV) && echo "$(CURDIR)" > $@ && exit 0; \
		exit 1; \
	done; \
	for version in $$bare; do \
		echo "make: Python $$version is here, but without its venv and ensurepip modules." >&2; \
		echo "make: Install them first, on Debian and Ubuntu: apt-get install python$$version-venv" >&2; \
		exit 1; \
	done; \
	echo "make: no Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3 ..." >&2; \
	exit 1

$(VENV)/.run: $(VENV)/.made requirements/run.txt requirements/build.txt pyproject.toml
	@echo "make: installing what the relay needs"
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@echo "make: installing what the tests need"
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

# The tests of pytest-mailpit, which run against the sink's API: they are in its source distribution only.
$(VENV)/.mailpit: $(VENV)/.test
	@echo "make: fetching the tests of pytest-mailpit"
	@rm -rf $(VENV)/mailpit && mkdir $(VENV)/mailpit
	@sed -n '/^pytest-mailpit==/,/[^\\]$$/p' requirements/test.txt > $(VENV)/mailpit/requirements.txt
	@$(PIP) download --no-deps --no-binary :all: --no-build-isolation --require-hashes \
		-r $(VENV)/mailpit/requirements.txt --dest $(VENV)/mailpit
	@tar -xzf $(VENV)/mailpit/pytest_mailpit-*.tar.gz -C $(VENV)/mailpit --strip-components 1
	@touch $@

# In an environment of its own: it brings a plugin into every run of pytest.
$(VENV)/.fuzz-api: $(VENV)/.test requirements/fuzz-api.txt
	@echo "make: installing schemathesis"
	@$(BIN)/python -m venv $(VENV)/fuzz-api
	@$(VENV)/fuzz-api/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
		-r requirements/fuzz-api.txt
	@touch $@

$(VENV)/.lock: $(VENV)/.made requirements/lock.txt
	@$(PIP) install --require-hashes -r requirements/lock.txt
	@touch $@

# Versions that still fit are kept. The later files are held to the versions of the first.
lock: $(VENV)/.lock
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) --constraint requirements/run.txt requirements/build.in -o requirements/build.txt
	$(COMPILE) --constraint requirements/run.txt --constraint requirements/build.txt \
		--group pyproject.toml:test --group pyproject.toml:check -o requirements/test.txt
	$(COMPILE) requirements/fuzz.in -o requirements/fuzz.txt
	$(COMPILE) requirements/fuzz-api.in -o requirements/fuzz-api.txt
	$(COMPILE) requirements/lock.in -o requirements/lock.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find relay tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
