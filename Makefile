# Two commands do everything: `make demo` and `make test`. Each builds .venv from nothing but Python and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# More pytest workers than cores only fight for them.
JOBS   ?= auto

.PHONY: demo test quality style bench clean help install

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)

# uv is used inside the environment because pip takes minutes over the same wheels. It compiles to bytecode as pip
# does: sercl starts in half the time, the first time and wherever Python may not write bytecode itself.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sercl needs Python 3.11 or newer; call: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## Train, evaluate and predict on synthetic speech; no data needed
	$(BIN)/sercl demo

test: $(STAMP)  ## Run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

quality: $(STAMP)  ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

style: $(STAMP)  ## Mend lint and formatting where that can be done by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## Measure; see benchmarks/README.md
	$(BIN)/python benchmarks/run.py

clean:  ## Remove the environment, caches and the demo's output
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-run *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
