# `make demo` and `make test` are all you need: each target builds .venv from nothing but Python and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# More pytest workers than cores only fight for them.
JOBS   ?= auto

# A command's own options: make fit ARGS="--data EmoDB --data.root emodb"
ARGS   ?=

.PHONY: faults starter demo fit layer-probe cross-eval diarize listen test test-lowest test-newest quality style bench clean help install

help:  ## Show the targets
	@grep -hE '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 38

install: $(STAMP)  ## Build .venv with everything to use and develop sercl

# uv is used inside the environment because pip takes minutes over the same wheels. It compiles to bytecode as pip
# does: sercl starts in half the time, the first time and wherever Python may not write bytecode itself.
define install_into
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sercl needs Python 3.11 or newer; call: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --upgrade uv
	$(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(2) --editable '.[dev]'
	@touch $(1)/.installed
endef

$(STAMP): pyproject.toml constraints.txt
	$(call install_into,$(VENV),--constraint constraints.txt)

demo: $(STAMP)  ## Train, evaluate and predict on synthetic speech; no data needed
	$(BIN)/sercl demo

fit layer-probe cross-eval diarize listen: $(STAMP)  ## One command on the demo's speech, or with ARGS="..."
	$(BIN)/sercl $(if $(strip $(ARGS)),$@ $(ARGS),demo $@)

test: $(STAMP)  ## Run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Both ends of the versions that pyproject.toml allows, on the tests that depend most on other packages.
RESOLUTION_lowest := lowest-direct
RESOLUTION_newest := highest
TESTS ?= tests/audio tests/models tests/reports tests/studies/results tests/corpora/test_manifest.py \
  $(addprefix tests/cli/test_,$(addsuffix .py,parser parser_values precheck help parser_class_forms inert lightning \
  fit predict compare layer_probe cross_eval))

.venv-%/.installed: pyproject.toml
	$(call install_into,.venv-$*,--resolution $(RESOLUTION_$*))

test-lowest test-newest: test-%: .venv-%/.installed  ## The same with the oldest or newest packages allowed
	.venv-$*/bin/python -m pytest -n $(JOBS) --dist worksteal $(TESTS)

quality: $(STAMP)  ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

style: $(STAMP)  ## Fix lint and formatting automatically where possible
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## Measure; see benchmarks/README.md
	$(BIN)/python benchmarks/run.py

FAULTS ?= /dev/shm/sercl-faults
# Without it: every call, and 200 rounds of each signal.
ROUNDS ?=

faults: $(STAMP)  ## Inject faults into every command, at every call that changes a file: hours; ROUNDS=20 for a sample
	$(BIN)/python -m tests.faults $(FAULTS) $(if $(ROUNDS),--sample $(ROUNDS)) --random $(or $(ROUNDS),200)
	$(BIN)/python benchmarks/listening_server.py --kills $(or $(ROUNDS),200)

EMODB        ?= ../shared/data/emodb
WHISPER_BASE ?= ../shared/models/whisper-base-encoder

starter: $(STAMP)  ## Build checkpoints/starter.ckpt from EMODB=FOLDER and WHISPER_BASE=FOLDER
	$(BIN)/python benchmarks/starter.py --emodb $(EMODB) --encoder $(WHISPER_BASE)

clean:  ## Remove the environment, caches and the demo's output
	rm -rf $(VENV) .venv-lowest .venv-newest .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-run *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
