# Every target is one line of intent; `make` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# pyannote.audio's sample conversation; `make demo AUDIO=meeting.m4a` takes a file of your own.
AUDIO ?= $(firstword $(wildcard .venv/lib/python3*/site-packages/pyannote/audio/sample/sample.wav))
# Of `make bench-parts`.
ROUNDS ?= 3
WHISPER ?= base
# Of `make load`: how many call at once, and for how long by each protocol.
USERS ?= 8
SECONDS ?= 60
# Of `make soak`: anything, for as long as its goals are meant.
FULL ?=
# Of `make accuracy`: a folder with recordings besides pyannote.audio's sample.
DATA ?=
# An installed uv, or else one of the project's own.
UV := $(shell command -v uv || echo .uv/bin/uv)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: demo
demo: models ## Serve, transcribe a conversation (AUDIO=file), print who said what, and stop
	$(BIN)/triologue-server serve -- $(BIN)/triologue transcribe --diarize "$(AUDIO)"

.PHONY: serve
serve: models ## Serve until interrupted
	$(BIN)/triologue-server serve

.PHONY: models
models: .venv/.synced ## Fetch and verify the models of the embedded profile
	$(BIN)/triologue-server models fetch

.PHONY: test
test: models ## Run the tests, real Triton and real models included
	$(BIN)/triologue-server models fetch whisper/tiny.en
	$(BIN)/pytest

.PHONY: test-full
test-full: models ## Run all of them, those that take long included, with thousands of damaged files and odd requests
	$(BIN)/triologue-server models fetch whisper/tiny.en
	TRIOLOGUE_FULL_TESTS=1 TRIOLOGUE_FUZZ_INPUTS=2000 $(BIN)/pytest --timeout 3600

.PHONY: bench
bench: models ## Measure diarized transcription against what users put together by hand, for minutes
	$(BIN)/python -m benchmarks.endtoend

.PHONY: bench-full
bench-full: models ## The same with longer recordings, and what hours of audio take, for an hour
	$(BIN)/python -m benchmarks.endtoend --full
	$(BIN)/python -m benchmarks.long

.PHONY: bench-parts
bench-parts: models ## Measure Whisper, its text, and diarization by themselves (ROUNDS=3, WHISPER=base)
	$(BIN)/triologue-server models fetch whisper/$(WHISPER)
	$(BIN)/python -m benchmarks.whisper --rounds $(ROUNDS) --whisper $(WHISPER)
	$(BIN)/python -m benchmarks.conformance --whisper $(WHISPER)
	$(BIN)/python -m benchmarks.diarization

.PHONY: bench-gpu
bench-gpu: models ## Measure on an NVIDIA GPU, where there is one
	$(BIN)/python -m benchmarks.gpu

.PHONY: load
load: models ## Let users call the service over HTTP and gRPC by Locust (USERS=8, SECONDS=60)
	$(BIN)/python -m benchmarks.locust --users $(USERS) --seconds $(SECONDS)

.PHONY: soak
soak: models ## See whether a server lasts: mixed requests, overload, many streams (FULL=1: for long)
	$(BIN)/python -m benchmarks.soak $(if $(FULL),--full)

.PHONY: accuracy
accuracy: models ## Score diarized transcripts, and those of others (DATA=folder), against people's
	$(BIN)/python -m benchmarks.accuracy $(if $(DATA),"$(DATA)")

.PHONY: lint
lint: .venv/.synced ## Check style, types and the lock
	$(UV) lock --check --quiet
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: audit
audit: .venv/.synced ## Look up every locked package among PyPI's known vulnerabilities
	UV=$(UV) $(BIN)/python .ci/audit.py $(AUDIT)

.PHONY: sbom
sbom: | $(UV) ## List what the client and the server are made of, as CycloneDX files in dist/
	mkdir -p dist
	for package in triologue triologue-server; do \
		$(UV) export --quiet --locked --no-dev --all-extras --package $$package --format cyclonedx1.5 \
			--preview-features sbom-export --output-file dist/$$package.cdx.json >/dev/null || exit 1; \
	done

.PHONY: format
format: .venv/.synced ## Mend style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: docs
docs: .venv/.synced ## Write docs/reference.md, and the tables of docs/options.md and docs/settings.md, anew
	$(BIN)/python docs/options.py
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/settings.py

.PHONY: clean
clean: ## Remove the environment and caches; the models stay
	rm -rf .venv .uv .pytest_cache .mypy_cache .ruff_cache

.venv/.synced: pyproject.toml uv.lock client/pyproject.toml server/pyproject.toml | $(UV)
	$(UV) sync --locked --python $(PYTHON)
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv
