.DEFAULT_GOAL := help
MAKEFLAGS += --jobs=2 # both environments at once
export PYTHON ?= python3

# An environment whose Python does not run, or that was made in another folder, is made again: that needs a Python,
# which is checked once, however many environments do
python_for = $(shell [ -x $(1)/bin/python ] && grep -qF "$(realpath $(1))" $(1)/bin/activate || echo new-enough-python)

LOCAL := .venv/bin/python -m tools
# Commands that start nothing make do without the environment
LOCAL_OR_BARE = "$$([ -x .venv/bin/python ] && echo .venv/bin/python || echo "$$PYTHON")" -m tools
OWN_FILES := template.yaml templates statemachine
PIP_INSTALL := bin/python -m pip install --quiet --quiet --disable-pip-version-check

# What is typed reaches a command through its environment, as it was typed: no $ in it is make's, no quote the shell's
VALUES := CAUSE CONFIG_ENV ERROR EVENT EXAMPLES EXECUTION EXECUTIONS FILES FUNCTION HOURS LIMIT OUTPUT PORT PYTHON RUNS STACK STATE STATE_MACHINE WORKFLOW
define as_typed
$(if $(strip $(value $(1))),,$(error $(1) is empty: give it a value, or leave it out))
override $(1) := $$(value $(1))
export $(1)
endef
typed = $(filter command,$(origin $(1)))
option = $(if $(filter override,$(origin $(2))),$(1)="$$$(2)")
# Only from the command line: some environments have their own PORT
PORT_OPTION := $(if $(call typed,PORT),--port="$$PORT")
$(foreach name,$(VALUES),$(if $(call typed,$(name)),$(eval $(call as_typed,$(name)))))

.PHONY: help setup demo demo-manual-callback demo-async-api demo-file-exchange demo-order-confirmation up down status show waits answer desk skip env invoke test test-slow test-local-invoke test-aws faults soak simulate bench cost check check-style check-types check-rules check-workflows lint audit pictures format clean new-enough-python

help:
	@awk -F ': .*## ' '/^##@/ { group = substr($$0, 5) } /^[a-z -]+: .*## / { sub(/^demo-.*/, "demo-NAME", $$1); \
		printf "%-8s%-18s%s\n", group, $$1, $$2; group = "" }' Makefile

setup: .venv/demo.stamp .venv-engine/engine.stamp # what `make demo` needs, into this folder

##@ run

demo: setup ## run 10 payments and show how they went  [PORT=…]
	@$(LOCAL) demo $(PORT_OPTION)

demo-manual-callback demo-async-api demo-file-exchange demo-order-confirmation: demo-%: setup ## run the workflow of templates/NAME.yaml
	@$(LOCAL) demo $* $(PORT_OPTION)

up: setup ## start the embedded AWS, deploy template.yaml  [PORT=…]
	@$(LOCAL) up $(PORT_OPTION)

down: $(call python_for,.venv) ## end the embedded AWS
	@$(LOCAL_OR_BARE) down

status: $(call python_for,.venv) ## show what runs, and what is deployed there
	@$(LOCAL_OR_BARE) status

# Not as SECONDS: that is a clock of the shell's own
skip: export SKIP_SECONDS = $(value SECONDS)
skip: $(call python_for,.venv) ## move the clock of the workflows forward  SECONDS=…
	$(if $(call typed,SECONDS),,$(error Say how far, as in: make skip SECONDS=82800))
	@$(LOCAL_OR_BARE) skip -- "$$SKIP_SECONDS"

env: $(call python_for,.venv) ## point a shell at it: eval "$(make -s env)"
	@$(LOCAL_OR_BARE) env

invoke: setup ## run a function in a container  FUNCTION=… EVENT=…
	@$(LOCAL) invoke --config-env="$${CONFIG_ENV-default}" -- "$$FUNCTION" "$$EVENT"

##@ watch

show: .venv/demo.stamp ## tell the story of an execution  EXECUTION=ARN or name
	@$(LOCAL) show -- "$$EXECUTION"

waits: .venv/demo.stamp ## list who waits for an answer  [STACK=… LATE=1]
	@$(LOCAL) waits $(call option,--stack,STACK) $(call option,--state-machine,STATE_MACHINE) \
		$(call option,--limit,LIMIT) $(if $(LATE),--late) $(if $(JSON),--json) $(if $(WATCH),--watch)

answer: .venv/demo.stamp ## answer a wait  EXECUTION=… OUTPUT=JSON or ERROR=…
	@$(LOCAL) answer $(call option,--state,STATE) $(call option,--event,EVENT) $(call option,--output,OUTPUT) \
		$(call option,--error,ERROR) $(call option,--cause,CAUSE) $(if $(HEARTBEAT),--heartbeat) $(if $(YES),--yes) \
		-- "$$EXECUTION"

desk: .venv/demo.stamp ## open a page that shows who waits, and takes answers
	@$(LOCAL) desk $(PORT_OPTION) $(if $(ALLOW_ANSWERS),--allow-answers)

##@ test

test: .venv/test.stamp .venv-engine/engine.stamp ## run what a change can break
	@.venv/bin/python -m pytest --numprocesses 4 --no-loadscope-reorder -m "not slow" # on two cores: most tests wait

test-slow: .venv/test.stamp .venv-engine/engine.stamp .venv-audit/audit.stamp ## run what takes long: documented commands, cost, checks
	@.venv/bin/python -m pytest --numprocesses 3 --no-loadscope-reorder -m slow

test-local-invoke: .venv/test.stamp .venv-engine/engine.stamp ## run every function in a container, 3 minutes
	@.venv/bin/python -m pytest -r s --numprocesses 2 --no-loadscope-reorder tests/containers

test-aws: .venv/test.stamp ## test a stack of yours on AWS  STACK=its name
	@$(if $(strip $(value STACK)),,$(error Name the stack, as in: make test-aws STACK=payment-callback))
	@STACK_NAME="$$STACK" .venv/bin/python -m pytest tests/aws tests/e2e tests/browser tests/security/test_no_leak_deployed.py

faults: .venv/test.stamp .venv-engine/engine.stamp ## run 2,000 executions through every fault  [WORKFLOW=…]
	@.venv/bin/python -m tests.faults $(call option,--workflow,WORKFLOW)

soak: .venv/bench.stamp .venv-engine/engine.stamp # docs/benchmarks.md: HOURS=… or EXECUTIONS=…
	@.venv/bin/python -m tests.soak $(call option,--executions,EXECUTIONS) $(call option,--hours,HOURS)

simulate: .venv/test.stamp .venv-engine/engine.stamp ## play made-up stories of each workflow  [EXAMPLES=2000]
	@EXAMPLES="$${EXAMPLES-2000}" .venv/bin/python -m pytest -s tests/simulation

##@ check

check: .venv/test.stamp audit check-style check-types check-rules check-workflows ## check format, lint and types of code, and templates

check-style: .venv/test.stamp
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m ruff check .

check-types: .venv/test.stamp
	@.venv/bin/python -m mypy functions linter examples tools tests

check-rules: .venv/test.stamp
	@.venv/bin/python -m callback_lint $(OWN_FILES) examples

check-workflows: .venv/test.stamp
	@.venv/bin/zizmor --quiet --offline --pedantic --strict-collection --no-progress .github linter/action.yml
	@.venv/bin/cfn-lint .github/aws-role.yaml

lint: .venv/test.stamp ## check templates and state machines  [FILES="yours"]
	@if [ -e "$$FILES" ]; then set -- "$$FILES"; else set -- $${FILES-$(OWN_FILES)}; fi; .venv/bin/python -m callback_lint "$$@"

audit: .venv/test.stamp .venv-audit/audit.stamp # cfn-lint, SAM CLI and checkov on every template
	@.venv/bin/python -m tools checks

pictures: .venv/test.stamp # the diagrams of the documents, drawn again
	@.venv/bin/python -m tools diagrams

format: .venv/test.stamp ## format the code
	@.venv/bin/python -m ruff format .
	@.venv/bin/python -m ruff check --fix .

##@ measure

bench: .venv/bench.stamp .venv-engine/engine.stamp ## measure beside a baseline, about 10 minutes
	@.venv/bin/python -m tools bench

cost: .venv/test.stamp .venv-engine/engine.stamp ## count what runs cost on AWS  [RUNS=20]
	@.venv/bin/python -m tools cost $${RUNS+--runs="$$RUNS"}

##@ clean

clean: down ## end the embedded AWS, remove what was installed
	rm -rf .venv .venv-engine .venv-audit .aws-sam .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find examples functions linter tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is made when all of its step is done: what was interrupted is done again.
.venv/demo.stamp: .venv/venv.stamp tools/requirements.txt
	@echo "Installing SAM CLI and AWS CLI into .venv ..." >&2
	@.venv/$(PIP_INSTALL) -r tools/requirements.txt
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m awscli "$$@"\n' > .venv/bin/aws # its own breaks on a space in the path
	@touch $@

.venv/test.stamp: .venv/demo.stamp requirements-dev.txt linter/pyproject.toml
	@echo "Installing the test tools into .venv ..." >&2
	@.venv/$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

.venv/bench.stamp: .venv/test.stamp tools/bench/requirements.txt
	@echo "Installing what the benchmarks need into .venv ..." >&2
	@.venv/$(PIP_INSTALL) -r tools/bench/requirements.txt
	@touch $@

.venv-engine/engine.stamp: .venv-engine/venv.stamp tools/engine/requirements.txt
	@echo "Installing the embedded AWS into .venv-engine ..." >&2
	@.venv-engine/$(PIP_INSTALL) -r tools/engine/requirements.txt
	@touch $@

.venv-audit/audit.stamp: .venv-audit/venv.stamp requirements-audit.txt
	@echo "Installing checkov into .venv-audit ..." >&2
	@.venv-audit/$(PIP_INSTALL) -r requirements-audit.txt
	@touch $@

.venv/venv.stamp: $(call python_for,.venv)
.venv-engine/venv.stamp: $(call python_for,.venv-engine)
.venv-audit/venv.stamp: $(call python_for,.venv-audit)
.venv/venv.stamp .venv-engine/venv.stamp .venv-audit/venv.stamp:
	@"$$PYTHON" -m venv --clear $(@D) || \
		{ echo "$$PYTHON cannot make a virtual environment. On Debian and Ubuntu it may need: apt install python3-venv" >&2; exit 1; }
	@touch $@

new-enough-python:
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed: install it, or name it as in: make PYTHON=/path/to/python3.12" >&2; exit 1; }
