# make demo    learn handwritten digits; writes out/digits.png
# make test    every test that needs no PyTorch
# make figures the laboratory of the training-techniques chapter; writes out/chapter6/index.html
# make lint    ruff, and mypy on the package as it is installed
# make parity  the comparison with PyTorch, which it installs
# make wheel   build the wheel and test it in an environment of its own
# make bench   benchmarks beside hand-written NumPy and, with ARGS="--against torch,jax,mygrad,autograd", the others
# make bench-check  fails where we have become slower against hand-written NumPy
# make versions  the tests on every Python in VERSIONS
#
# Each target makes the virtual environment it needs; a second run is quick. PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
JOBS ?= auto
VERSIONS ?= 3.11 3.12 3.13
ARGS ?=

.PHONY: demo test figures lint parity wheel bench bench-check tiny-bench versions clean

demo: $(VENV)/examples.done
	$(BIN)/python -m examples.digits $(ARGS)

test: $(VENV)/test.done
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not parity" $(ARGS)

figures: $(VENV)/examples.done
	$(BIN)/python -m examples.chapter6 all $(ARGS)

lint: $(VENV)/lint.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf $(VENV)/typed && mkdir $(VENV)/typed  # mypy reads the package laid out as users get it
	cp -Rp tinygrad6 $(VENV)/typed/ && cp -Rp nn optim $(VENV)/typed/tinygrad6/
	cd $(VENV) && MYPYPATH=typed $(BIN)/python -m mypy --config-file $(abspath pyproject.toml) -p tinygrad6

parity: $(VENV)/parity.done
	$(BIN)/python -m pytest -q -n $(JOBS) -m parity tests/parity $(ARGS)

wheel:
	rm -rf dist build $(VENV)-wheel
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(VENV)-wheel/bin/python -m pip install --quiet "$$(ls dist/*.whl)[test]"
	$(VENV)-wheel/bin/python tests/check_wheel.py dist/*.whl

bench: $(VENV)/bench.done
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks $(ARGS)

bench-check: $(VENV)/test.done
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks --check $(ARGS)

tiny-bench: $(VENV)/test.done
	$(BIN)/python -m benchmarks --tiny

versions:
	for v in $(VERSIONS); do $(MAKE) test PYTHON=python$$v VENV=.venv-$$v || exit 1; done

clean:
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/base.done: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tinygrad6 needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) "pip>=24"
	$(PIP) -e .
	touch $@

$(VENV)/examples.done: $(VENV)/base.done
	$(PIP) -e ".[examples,search]" && touch $@

$(VENV)/test.done: $(VENV)/base.done
	$(PIP) -e ".[examples,search,test]" && touch $@

$(VENV)/lint.done: $(VENV)/base.done
	$(PIP) -e ".[lint]" && touch $@

$(VENV)/parity.done: $(VENV)/test.done
	$(PIP) -e ".[parity]" && touch $@

$(VENV)/bench.done: $(VENV)/base.done
	$(PIP) -e ".[examples,bench]" && touch $@
