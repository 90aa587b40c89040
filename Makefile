# `make demo` and `make test` set themselves up: all they need is Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: all setup demo test style types layers cov bench soak interruptions docs serve image-test clean
all: style types layers test

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "voice-runtime needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)          ## a real phone call with real speech, offline
	$(BIN)/voice-runtime demo

# The first run compiles the tests, for the four processes of the second as well: so it may write what it compiled.
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)          ## the whole suite, offline: what measures time, alone; the rest waits much, so four at once
	$(BIN)/python -m pytest -m alone
	$(BIN)/python -m pytest -n 4 -m 'not alone'

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports --no-cache

cov: $(STAMP)
	$(BIN)/python -m pytest --cov=voice_runtime --cov-report=term-missing:skip-covered

bench: $(STAMP)         ## what a call costs beside the floors; QUICK=1 for less of it
	$(BIN)/python -m benchmarks

soak: $(STAMP)          ## random calls on random bad days, and nothing left of them: SECONDS=120 SEED=1
	$(BIN)/python tests/soak/soak.py --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

interruptions: $(STAMP)  ## agents cut off at random, with lost and late marks: what they remember against what was heard
	SEEDS=$(or $(SEEDS),1000) $(BIN)/python -m pytest -n 4 tests/agent/test_random_interruptions.py

docs: $(STAMP)          ## every setting, command, route, event and error is in the docs
	$(BIN)/python -m pytest tests/test_docs.py

serve: $(STAMP)
	$(BIN)/voice-runtime serve

image-test:             ## build the container, place a call through it, stop it
	docker/image-test

clean:
	rm -rf $(VENV) dist build demo-output bench-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
