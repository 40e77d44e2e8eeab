# Each goal makes what it needs; `make demo` is the place to begin.
PYTHON ?= python3
BIN := .venv/bin
export TIDELINE_LANDING ?= landing
export TIDELINE_WAREHOUSE ?= warehouse/warehouse.duckdb
export DBT_PROFILES_DIR := $(CURDIR)
EVENTS ?= 1000000

.PHONY: demo test dev bench lint clean

.venv/.installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.txt
	touch $@

# The sample business lands only where nothing has landed: a log of your own is not mixed with it.
demo: .venv/.installed
	@test -n "$$(ls $(TIDELINE_LANDING)/events 2>/dev/null)" \
	    || $(BIN)/python -m orchestration.ingestion.sample --people 2000 --days 91 --to-day 90
	@echo "Building: raw events to segments, about a minute ..."
	@$(BIN)/dbt --quiet build
	@$(BIN)/python -m orchestration.activation
	@echo
	@$(BIN)/python -m orchestration.summary --truth warehouse/truth
	@echo
	@echo "Look at: $(TIDELINE_WAREHOUSE) (schema tideline), deliveries/, and 'make dev' for the lineage."

# One more day of the sample business; 'make demo' then takes in only that day.
next-day: .venv/.installed
	@$(BIN)/python -m orchestration.ingestion.sample --people 2000 --days 91 --from-day 90

dev: .venv/.installed
	$(BIN)/dagster dev

bench: .venv/.installed
	$(BIN)/python -m orchestration.bench --events $(EVENTS)

# Models are judged in their first run, on a warehouse without tables; Snowflake's dialect is judged
# by a test, which has a server to compile against.
lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	TIDELINE_WAREHOUSE=:memory: DBT_TARGET_PATH=target/lint \
	    $(BIN)/sqlfluff lint models tests/dbt --disable-progress-bar

test: .venv/.installed lint
	$(BIN)/python -m pytest -n 2 --dist loadfile
