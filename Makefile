# SPDX-License-Identifier: Apache-2.0
# Everything runs in .venv, which is made on first use; cmake and ninja come as Python packages.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
BUILD := build/engine-$(shell $(PYTHON) -c "import sys; print(sys.implementation.cache_tag)")
ENGINE := setup.py pyproject.toml constraints.txt CMakeLists.txt $(shell find csrc -type f 2>/dev/null)
# CUDA kernels for the device at hand, so that building takes half the time
GPU := $(firstword $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d .))
export FASTSNN_CUDA_ARCHS ?= $(or $(GPU),90)

.PHONY: help demo test test-cpp lint format bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/.installed  ## train on real MNIST, print the accuracy, write ./report
	$(BIN)/fastsnn mnist --report report

test: $(VENV)/.dev test-cpp  ## build, then run the C++ and the Python tests
	@# two halves side by side, for most of a test is one thread's work
	@$(BIN)/python -m pytest -q $(wildcard python_tests/test_[a-m]*.py) & first=$$!; \
	  $(BIN)/python -m pytest -q $(wildcard python_tests/test_[n-z]*.py); second=$$?; \
	  wait $$first && exit $$second

test-cpp: $(VENV)/.dev
	@if [ -e $(BUILD)/CMakeCache.txt ]; then \
	  $(BIN)/cmake -S . -B $(BUILD) -DFASTSNN_TESTS=ON > /dev/null && $(BIN)/cmake --build $(BUILD) && \
	  $(BIN)/ctest --test-dir $(BUILD) --output-on-failure; \
	else echo "no C++ engine was built: its tests are left out"; fi

lint: $(VENV)/.dev  ## check style and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find csrc \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) ! -name models.gen.h \
	  -exec $(BIN)/clang-format --dry-run -Werror {} +
	$(BIN)/python -m fastsnn.lowering --check

format: $(VENV)/.dev  ## rewrite files in the style that `make lint` checks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find csrc \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) ! -name models.gen.h \
	  -exec $(BIN)/clang-format -i {} +
	$(BIN)/python -m fastsnn.lowering

bench: $(VENV)/.dev  ## time every case, print one table, save bench/results
	$(BIN)/python -m pytest bench -q --benchmark-only --benchmark-quiet

clean:  ## remove what was built
	rm -rf $(VENV) build dist report .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -f fastsnn/_native*.so fastsnn/_cuda*.so

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt "setuptools>=77" wheel "pybind11>=2.13" "cmake>=3.26" ninja

$(VENV)/.installed: $(ENGINE) | $(BIN)/python
	$(PIP) install -c constraints.txt --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(ENGINE) | $(BIN)/python
	$(PIP) install -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@ $(VENV)/.installed
