# Each goal builds its prerequisites; start with `make demo`. `make help` lists the goals.
PYTHON ?= python3
BIN := .venv/bin
export TIDELINE_LANDING ?= landing
export TIDELINE_WAREHOUSE ?= warehouse/warehouse.duckdb
export TIDELINE_DELIVERIES ?= deliveries
export DBT_PROFILES_DIR := $(CURDIR)
export VARS ?= {}
EVENTS ?= 1000000
CURVE ?= 1
PORT ?= 3000
SQLFLUFF := TIDELINE_WAREHOUSE=:memory: DBT_TARGET_PATH=target/lint \
    $(BIN)/sqlfluff lint --disable-progress-bar --processes 2

.PHONY: help demo next-day forget dev bench licences lint style types check test docs

.venv/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

help:
	@echo "make demo      install, land the sample business, build, deliver, publish, summarize"
	@echo "make next-day  land one more day of the sample business"
	@echo "make forget    forget the people whose identifiers are typed, or in FILE=people.txt"
	@echo "make dev       open the Dagster UI (PORT=3000)"
	@echo "make docs      write dbt's documentation of every table to one page"
	@echo "make licences  list the licences of the pinned packages"
	@echo "make bench     measure a build of EVENTS=1000000 events"
	@echo "make check     for every save: style, types and unit tests (make style, make types)"
	@echo "make test      everything: make lint, types and all tests"

# The sample business lands only in the default folder, and only if that is empty, so that it is not
# mixed with your own log. VARS is passed to `dbt build --vars`: make demo VARS='{shop: false}'.
demo: .venv/.installed
	@if [ "$$TIDELINE_LANDING" = landing ] && [ -z "$$(ls landing/events 2>/dev/null)" ]; then \
	    $(BIN)/tideline sample --people 2000 --days 91 --to-day 90; fi
	@echo "Building: raw events to segments, about a minute ..."
	@$(BIN)/dbt --quiet build --vars "$$VARS"
	@$(BIN)/tideline activate run; code=$$?; $(BIN)/tideline publish || code=$$?; \
	    echo; $(BIN)/tideline summary && exit $$code
	@if [ "$$TIDELINE_LANDING" = landing ] && [ -d warehouse/truth ]; then \
	    echo; $(BIN)/tideline sample --compare; fi
	@echo
	@echo "Look at: the published tables (schema tideline), $$TIDELINE_DELIVERIES/, and 'make dev' for the lineage."

# One more day of the sample business; then 'make demo' reads only that day.
next-day: .venv/.installed
	@if [ "$$TIDELINE_LANDING" != landing ] || [ ! -d warehouse/truth ]; then \
	    echo "There is no sample business in the default landing folder: run 'make demo' first."; exit 1; fi
	@$(BIN)/tideline sample --people 2000 --days 91 --from-day 90

# Forgets people everywhere: `make forget` reads identifiers from its input, `make forget
# FILE=people.txt` from a file, one per line, such as email:ann@example.org. Without an identifier it
# finishes open requests. VARS is as for `make demo`. See docs/how-to/forget-a-person.md, also for what
# is left to do by hand. Identifiers on make's command line are refused, as make would expand `$`.
ifneq ($(filter forget,$(MAKECMDGOALS)),)
ifneq ($(origin ID),undefined)
$(error make would change an identifier with a `$$`, so ID= is not read: run `make forget` and \
type it, or write it to a file, one per line, and run `make forget FILE=people.txt`. Nothing was done)
endif
endif
forget: .venv/.installed
	@if [ -n "$$FILE" ]; then exec < "$$FILE"; fi; \
	    $(BIN)/tideline forget --vars "$$VARS" -

# The Dagster UI; PORT=3001 uses another port.
dev: .venv/.installed
	@$(BIN)/tideline dev --port $(PORT)

# The whole graph on EVENTS events, then the event layer on histories of CURVE million events, and the
# sync of EVENTS members.
# docs/reference/performance.md shows CURVE="1 5 10 20", which takes a quarter of an hour and 30 GB.
bench: .venv/.installed
	$(BIN)/python -m benchmarks.whole_graph --events $(EVENTS)
	$(BIN)/python -m benchmarks.event_curve --millions $(CURVE)
	$(BIN)/python -m benchmarks.components
	$(BIN)/python -m benchmarks.segments --events $(EVENTS)
	$(BIN)/python -m benchmarks.syncs --rows $(EVENTS)

# Name, version and licence of every pinned package; fails if a licence is not allowed.
licences: .venv/.installed
	@$(BIN)/tideline licences

# Style of all files; sqlfluff takes minutes, because it compiles each model. Models are checked in
# their first run, on an empty warehouse. A test with a server checks Snowflake's dialect.
lint: .venv/.installed style
	$(SQLFLUFF) models tests/dbt

style: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed
	$(BIN)/mypy

# For every save, in less than two minutes: lints only the SQL files that differ from BASE (where this
# branch left main), and runs the unit tests. If .sqlfluff has changed, or without git, it lints all SQL.
BASE ?= $(shell git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null)
CHANGED = git diff --name-only --diff-filter=d $(BASE) -- $(1) && git ls-files --others --exclude-standard -- $(1)
check: .venv/.installed style types
	@if [ -z "$(BASE)" ] || [ -n "$$($(call CHANGED,.sqlfluff))" ]; then files="models tests/dbt"; \
	    else files=$$($(call CHANGED,'models/*.sql' 'tests/dbt/*.sql')); fi; \
	    if [ -z "$$files" ]; then echo "No SQL differs from $(BASE)."; else $(SQLFLUFF) $$files; fi
	$(BIN)/python -m pytest -n 2 -m "not slow" tests/unit

# In the order of folders: tests/unit is last and its files are short, so both cores end together.
test: .venv/.installed lint types
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# dbt's documentation of every table and column in one file; with types and sizes if there is a
# warehouse.
docs: export DBT_TARGET_PATH = target/docs
docs: .venv/.installed
	@if [ "$${DBT_TARGET:-duckdb}" != duckdb ] || [ -f "$$TIDELINE_WAREHOUSE" ]; then \
	    $(BIN)/dbt --quiet docs generate --static; \
	    else TIDELINE_WAREHOUSE=:memory: $(BIN)/dbt --quiet docs generate --static --empty-catalog; fi
	@echo "Open $(CURDIR)/target/docs/static_index.html in a browser."
