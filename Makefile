# bearerd.  `make demo` and `make test` each do all their own set-up: Python >= 3.11 with venv and headers, a C compiler, make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test coverage lint types native package bench strain load outages prerequisites clean
help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

prerequisites:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bearerd needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python has no venv: install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; p = sysconfig.get_paths()["include"]; raise SystemExit(not os.path.exists(p + "/Python.h"))' || { echo "Python.h is missing: install python3-dev"; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "no C compiler: install gcc"; exit 1; }

$(VENV)/installed: pyproject.toml setup.py | prerequisites
	@echo "== virtual environment"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check "setuptools>=80" "cython>=3.1"
	@# The compiler works while pip fetches.
	@$(BIN)/python setup.py -q build_ext --inplace & compiler=$$!; \
	BEARERD_NATIVE=later $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[dev,embedded,gateways,grpc,mcp,otel,sdks]'; \
	wait $$compiler
	@# Envoy's protobufs come with older files of the same names: whoever is installed last is there.
	@$(BIN)/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps opentelemetry-proto
	@touch $@

native: $(VENV)/installed   ## compile native/ in place (a second when nothing changed)
	@$(BIN)/python setup.py -q build_ext --inplace

demo: native     ## the main job on real programs; DEMO_ONCE=1 runs the tour unattended
	@$(BIN)/python examples/demo/demo.py

# Many tests wait for real programs most of the time: three for every processor.  Those that share such programs stay together.
TEST_WORKERS ?= $(shell echo $$((3 * $$($(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)))'))))

test: native     ## the whole suite, real Valkey and real gateways included
	@$(BIN)/python -m pytest -n $(TEST_WORKERS)

coverage: native ## the suite again, with line and branch coverage of src
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest -n auto
	@$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report --fail-under=90

package: $(VENV)/installed   ## an sdist and, made from it, a wheel, which is installed into an empty environment and asked
	@$(BIN)/python .ci/package.py

bench: native    ## bearerd and its peers in one run, CPU per request, and what a check adds to each gateway; writes docs/bench-report.md
	@$(BIN)/python loadtests/compare.py

load: native     ## Locust against the demo's programs; writes an HTML report
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[load]' --no-build-isolation
	@$(BIN)/python loadtests/run.py

outages: native  ## how fast revocations spread, and what an outage does to decisions; writes docs/outages-report.md
	@$(BIN)/python loadtests/outages.py

.PHONY: tricks
tricks: native   ## every trick against every gateway, as it should be and spoiled; writes docs/gateway-tricks.md
	@PYTHONPATH=tests:examples/demo $(BIN)/python -m gateways.record
	@$(BIN)/python docs/generate.py

.PHONY: audited
audited: native  ## 100,000 audited decisions of the lane: none lost, the chain whole, and what a record costs
	@$(BIN)/python loadtests/audited.py

strain: native   ## bearerd with a million of everything, in floods and overload; writes docs/strain-report.md
	@$(BIN)/python loadtests/strain.py

lint: native     ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: native    ## mypy --strict on src, stubtest on native
	@$(BIN)/mypy
	@$(BIN)/python -m mypy.stubtest bearerd._native

clean:           ## remove everything that was built
	rm -rf build dist $(VENV) .venv-asan .venv-test native/*.so

# ---- The tests on other builds of native/, each in a build folder and an environment of its own ----
# Never in place: a sanitized or hooked library left in the tree would be packed into the next wheel.

SANITIZERS = $(shell $${CC:-cc} -print-file-name=libasan.so) $(shell $${CC:-cc} -print-file-name=libubsan.so)
UNDER_SANITIZERS = env LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc .venv-asan/bin/python

# $(call installed,VENV,VARIABLE): builds with VARIABLE=1 into VENV and makes sure that it is that copy which is imported.
define installed
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; more = p["optional-dependencies"]; print(*p["dependencies"], *more["dev"], *more["embedded"], *more["grpc"], *more["mcp"], *more["otel"], sep="\n")' > $(1)/needs.txt
	@$(1)/bin/python -m pip install -q --disable-pip-version-check -r $(1)/needs.txt
	@$(1)/bin/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps opentelemetry-proto  # as above
	@$(2)=1 $(1)/bin/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall .
endef
OURS = import sys; from bearerd._native import clock; assert clock.__file__.startswith(sys.prefix) and clock.HAS_TEST_HOOK, clock.__file__

.PHONY: metamorphic
STEPS ?= 100000
SEED ?=
metamorphic: native   ## a warm process and cold ones, step by step; STEPS=1000000 SEED=7
	@$(BIN)/python tests/metamorphic/run.py $(STEPS) $(SEED)

.PHONY: failclosed
FAILCLOSED ?= doors
failclosed: native   ## an exception, a cancellation and a time-out at every await and every function of every question; FAILCLOSED=all: nine faults at every line (half a day)
	@FAILCLOSED=$(FAILCLOSED) $(BIN)/python -m pytest -n auto --timeout 0 tests/failclosed/test_walk.py

.PHONY: fuzz
FUZZ_SECONDS ?= 60
FUZZ_SEED ?=
fuzz: native     ## changed request heads, held to aiohttp's parser, and changed requests, held to its answers, each for FUZZ_SECONDS (60) from FUZZ_SEED; then under the sanitizers, if built
	@PYTHONPATH=tests $(BIN)/python -m fuzz.fuzz_head $(FUZZ_SECONDS) $(FUZZ_SEED)
	@PYTHONPATH=tests $(BIN)/python -m fuzz.fuzz_lane $(FUZZ_SECONDS) $(FUZZ_SEED)
	@test ! -x .venv-asan/bin/python || PYTHONPATH=tests $(UNDER_SANITIZERS) -m fuzz.fuzz_head $(FUZZ_SECONDS) $(FUZZ_SEED)

.PHONY: asan hooks
# Not those that start programs: real servers and gateways would inherit the sanitizer, and are waited for as long as real ones take.
START_PROGRAMS := adapters gateways system serve faults cli doctor starter loadtests store mcp/test_clients.py approvals/test_running.py approvals/test_browser.py approvals/test_oidc_provider.py issuers/test_oidc_provider.py issuers/test_store.py \
	test_image.py test_api.py test_service.py test_outages.py test_layout.py
asan: prerequisites   ## all tests that start no other programs, under AddressSanitizer and UBSan (gcc)
	$(call installed,.venv-asan,ASAN)
	@$(UNDER_SANITIZERS) -c "$(OURS); assert b'__asan_report' in open(clock.__file__, 'rb').read()"
	@# -s: a report goes to standard error just before the process stops; captured, it would be lost with it.
	@$(UNDER_SANITIZERS) -m pytest $(addprefix --ignore=tests/,$(START_PROGRAMS)) -n auto -s -p no:cacheprovider --timeout 600

hooks: prerequisites  ## the native tests, and those that set the clock, on a build with the clock's test hook
	$(call installed,.venv-test,BEARERD_TEST)
	@.venv-test/bin/python -c "$(OURS)"
	@.venv-test/bin/python -m pytest tests/native tests/test_time.py tests/test_timekeeper.py tests/system/test_clock_steps.py -n auto -p no:cacheprovider

# ---- Faults: real servers and workers, killed, stopped, cut off and restored, and a checker over what happened ----

.PHONY: chaos
chaos: native    ## faults for CHAOS_SECONDS (60) from CHAOS_SEED; writes docs/chaos-report.md
	@PYTHONPATH=tests:examples/demo $(BIN)/python -m faults.chaos
