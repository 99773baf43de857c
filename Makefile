# Two commands are enough: `make up` runs the whole of Passage here, `make test` proves it.
SHELL := /bin/bash
RUN := .venv/bin/python
STATE ?= .passage
WORKERS ?= 2
MINUTES ?= 3
.DEFAULT_GOAL := help
.PHONY: help ready up demo down reset test chaos lint bench secrets backup restore upgrade test-compose

help:  ## what can be said to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | column -t -s $$'\t'

ready:  ## the environment and the front-end packages, from their lock files
	@deploy/embedded/bootstrap

up: ready  ## start everything on this machine; Ctrl-C stops it
	@exec $(RUN) -m passage --state $(STATE) up

demo: ready  ## twelve patients through every branch on a stack of their own, then yours to look at; Ctrl-C stops it
	@exec $(RUN) -m passage demo

down:  ## stop what `make up` started elsewhere
	@$(RUN) -m passage --state $(STATE) down

reset: ready  ## forget everything that happened here
	@$(RUN) -m passage --state $(STATE) reset

test: ready  ## everything: style, types, walls, unit to browser
	@$(RUN) -m tests.support.headline
	@$(MAKE) --no-print-directory lint
	@$(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

chaos: ready  ## everything broken while it works, then twelve invariants: MINUTES=3, SEED=…, FAULT=words
	@$(RUN) -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(FAULT),--only "$(FAULT)")
	@$(RUN) -m pytest -q -s --show-capture=no tests/chaos/test_mutants.py

lint: ready  ## style, types, walls
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo

bench: ready  ## what is measured, against limits and peers: BENCH="relay latency" for some, FULL=1 for longer
	@$(RUN) -c 'import faststream_outbox' 2>/dev/null || VIRTUAL_ENV=.venv UV_PROJECT_ENVIRONMENT=.venv \
	    $$(command -v .venv/bin/uv || command -v uv) sync --frozen --inexact --quiet --group bench --python $(RUN)
	@$(RUN) -m benchmarks $(BENCH) $(if $(FULL),--full)

secrets:  ## for docker compose: secrets/ and .env; DOMAIN=clinic.example for a real clinic
	@deploy/compose/secrets $(if $(DOMAIN),--domain $(DOMAIN))

backup:  ## all schemas of the compose stack, from one snapshot, into backups/
	@deploy/compose/backup

restore:  ## FILE=backups/… into an empty compose stack
	@deploy/compose/restore $(FILE)

upgrade:  ## the compose stack to this version: backup, build, migrate, replace one service after the other
	@deploy/compose/upgrade

test-compose: ready  ## the compose stack for real: upgrade under load, a journey, kills, every procedure of the runbook
	@PASSAGE_TEST_COMPOSE=1 $(RUN) -m pytest tests/compose $(TESTS)
