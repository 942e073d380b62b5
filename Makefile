# What a newcomer, a developer and the continuous integration run. `make help` lists it.

# The first Python here that is new enough.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
# Installed first, so that a build of your choice is kept. A small CPU build:
# make test TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
# What stands in DOCS and QUESTION reaches the command through the environment: no quoting to get wrong.
export DOCS
export QUESTION
export ONLY
export LIMIT
export SETS

.DEFAULT_GOAL := help
.PHONY: help demo test quick check bench bench-tune evaluation pull light constraints demo-documents output screens clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Trivium needs Python 3.11 or newer: set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing into $(VENV): about a minute"
	@$(PYTHON) -m venv $(VENV)

# One stamp for each kind of install, remade when the pins or the package's description change.
$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,tune]'
	@touch $@ $(VENV)/.base

demo: $(VENV)/.base ## Add real documents, print cited answers and a refusal (DOCS=folder QUESTION="..." for yours)
	@$(BIN)/trivium demo $${DOCS:+--docs "$$DOCS"} $${QUESTION:+--question "$$QUESTION"}

pull: $(VENV)/.base ## Fetch the two embedded models
	@$(BIN)/trivium pull

test: $(VENV)/.dev ## Every test: quick ones, those on real models, those that kill and corrupt
	$(BIN)/python -m pytest -q -m "" -n 2 --dist loadfile

quick: $(VENV)/.dev ## The quick tests alone
	$(BIN)/python -m pytest -q

check: $(VENV)/.dev ## Format, lint, types, import directions, the README's commands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_import_light.py tests/test_readme.py

light: $(VENV)/.base ## Prove that the base install alone imports, and loads nothing heavy
	$(BIN)/python .ci/light_import.py

bench: $(VENV)/.dev ## The benchmarks against the peers (ONLY=ingest for one)
	@$(BIN)/python benchmarks/run.py $${ONLY:+--only "$$ONLY"}

bench-tune: $(VENV)/.dev ## Tuning: speed against TRL and Trainer, every method on two tasks, three findings
	@$(BIN)/python benchmarks/tuning.py
	@$(BIN)/python benchmarks/tuning_classify.py
	@$(BIN)/python benchmarks/methods.py --write
	@$(BIN)/python benchmarks/findings.py --write

evaluation: $(VENV)/.dev ## Measure the embedded defaults on real sets (SETS="xquad-en cmrc", LIMIT=40)
	@$(BIN)/python benchmarks/evaluation.py --write $${LIMIT:+--limit "$$LIMIT"} $${SETS:+--sets "$$SETS"}

demo-documents: $(VENV)/.base ## Remake the demo's PDF, DOCX and HTML pages from docs/
	$(BIN)/python docs/make_demo_documents.py

output: $(VENV)/.base ## Run the commands that the pages show, and put what they print under them
	$(BIN)/python docs/make_output.py
	$(BIN)/python docs/make_demo_documents.py

screens: $(VENV)/.base ## Remake the pictures of docs/ from real commands
	$(BIN)/python docs/make_screens.py

constraints: ## Pin what is installed now
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Delete the environment and everything made
	rm -rf $(VENV) .venvs .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
