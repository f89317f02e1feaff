# wengert needs only make and Python 3.11 or newer; everything else goes into .venv.
PYTHON ?= python3

VENV := .venv
BIN  := $(VENV)/bin

# The demonstration: data set, seed, and where its results go.
DEMO_DIR   := demo
DEMO_FLAGS := digits --seed 0 --output $(DEMO_DIR)/digits.wengert --plot $(DEMO_DIR)/digits.png --force

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test bench format clean

help:
	@echo "make demo     train a network on handwritten digits; model and learning curve go to $(DEMO_DIR)/"
	@echo "make test     lint, format, types, import contracts, tests and doctests"
	@echo "make bench    run every benchmark beside its peers (installs them: several GB)"
	@echo "make format   format the code and apply safe fixes"
	@echo "make clean    remove $(VENV), $(DEMO_DIR) and caches"
	@echo
	@echo "Another interpreter: make PYTHON=python3.12 test"

demo: $(VENV)/.runtime
	@mkdir -p $(DEMO_DIR)
	$(BIN)/wengert train $(DEMO_FLAGS)

# The test workers share the cores among them, so each keeps to one BLAS thread.
test: export OPENBLAS_NUM_THREADS := 1
test: $(VENV)/.test
	@echo "== lint: ruff check"
	@$(BIN)/ruff check .
	@echo "== format: ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== types: mypy"
	@$(BIN)/mypy
	@echo "== import contracts: lint-imports"
	@$(BIN)/lint-imports
	@echo "== tests and doctests: pytest"
	@$(BIN)/pytest -n auto

bench: $(VENV)/.bench
	@set -e; for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python $$script; done

format: $(VENV)/.test
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DEMO_DIR) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# One environment, three profiles. Each stamp says that its packages are installed; the larger profiles
# contain the smallest, so they renew its stamp too.
$(VENV)/.runtime: pyproject.toml | $(VENV)/.created
	@echo "== installing wengert into $(VENV)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.created
	@echo "== installing wengert and its test tools into $(VENV) (the first time, some hundred MB)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.runtime

$(VENV)/.bench: pyproject.toml | $(VENV)/.created
	@echo "== installing wengert and its benchmark peers into $(VENV) (the first time, several GB)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@ $(VENV)/.runtime

# Checked only when the environment has to be made, with one line that says what is missing.
runs = $(shell $(PYTHON) -c '$(1)' >/dev/null 2>&1 && echo yes)
new_enough := import sys; sys.exit(sys.version_info < (3, 11))
has_venv   := import venv, ensurepip

$(VENV)/.created:
	$(if $(call runs,$(new_enough)),,$(error $(PYTHON) is not Python 3.11 or newer. Name one that is: make PYTHON=python3.12))
	$(if $(call runs,$(has_venv)),,$(error $(PYTHON) lacks the modules venv and ensurepip (on Debian: python3-venv)))
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@
