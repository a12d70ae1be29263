# `make help` lists the targets. Needs make and Python 3.11 or newer; everything else is installed
# into .venv and build/ from the hashed locks in requirements/.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first of these that is new enough; `make PYTHON=... test` chooses another.
CANDIDATES := python3 python3.13 python3.12 python3.11 python
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	$$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
PYZ := dist/hogsend.pyz
# Processes of the test run: tests start processes of their own, so more of them than cores only
# makes everything late.
WORKERS ?= 2
PYTEST_OPTIONS ?=

.PHONY: help run demo test check lint types floors pyz bench docs lock clean require-python

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

run: pyz ## build hogsend.pyz and start everything on embedded defaults
	$(PYTHON) $(PYZ) supervisor

demo: pyz ## send a real event, follow its journey, print the mail
	$(PYTHON) $(PYZ) demo

# Tests that measure time against real processes can be late in the crowd; they get one more chance
# alone. A real failure fails there too.
test: $(VENV)/complete lint types floors ## every check and every test, on real PostgreSQL and Redis
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_OPTIONS) || \
	  { test $$? -eq 1 && echo "some tests failed: running those again, alone" && \
	    $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(PYTEST_OPTIONS); }

check: $(VENV)/complete lint types floors ## the fast half: lint, types, floors, unit tests
	$(BIN)/python -m pytest -q -x -n $(WORKERS) --dist loadfile tests/unit tests/architecture \
		$(PYTEST_OPTIONS)

lint: $(VENV)/complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/complete
	$(BIN)/mypy

floors: $(VENV)/complete
	$(BIN)/lint-imports

pyz: require-python ## build dist/hogsend.pyz and dist/hogsend-slim.pyz
	$(PYTHON) build.py

bench: $(VENV)/complete pyz ## measure start, ingest and journeys; results in bench-results/
	$(BIN)/python -m tests.benchmarks.run

docs: $(VENV)/complete ## write the reference of settings again; build the site in build/docs
	$(BIN)/python -m hogsend config docs --write
	$(BIN)/python -m mkdocs build --quiet

lock: require-python ## resolve requirements/*.txt again (maintainers; needs the network)
	$(PYTHON) requirements/lock.py

clean: ## remove what was built; keeps .hogsend, which holds your data
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything in the lock is listed in it, so pip resolves nothing.
$(VENV)/complete: requirements/dev.txt requirements/embedded.txt pyproject.toml | require-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/embedded.txt
	$(BIN)/python -c 'import pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "hogsend.pth").write_text("$(CURDIR)\n")'
	touch $@

require-python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer with venv was found" >&2; exit 1; }
