# `make help` lists the targets. Rust and make are all that `demo` and `test` need.

CARGO ?= cargo
VENV := target/venv
PYTHON := $(VENV)/bin/python
ROUNDS ?= 50

.PHONY: help demo test check openapi bench crash

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: ## start a fresh server with example-repo on port 8000
	$(CARGO) run --release --quiet -- demo

test: $(VENV)/ready ## run every test: units, doctests, and the real server over real repositories
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| echo "chromium is missing, and a test needs it: install it with 'apt-get install chromium'"
	CONFGIT_TEST_PYTHON=$(abspath $(PYTHON)) $(CARGO) test --features failpoints

check: ## formatting, lints, documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features failpoints -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

openapi: ## renew schemas/openapi.json from the code
	CONFGIT_RENEW_OPENAPI=1 $(CARGO) test --features failpoints --lib -- api::http::openapi

bench: ## measure against a bare handler and etcd; writes bench/results.md
	@command -v etcd >/dev/null || { apt-get update -qq && apt-get install -y -qq etcd-server; } \
		|| echo "etcd is missing: install it with 'apt-get install etcd-server' to have its rows"
	$(CARGO) build --release
	target/release/confgit bench all --out bench/results.md

crash: ## kill -9 under load and compare, ROUNDS times (default 50)
	CONFGIT_CRASH_ROUNDS=$(ROUNDS) $(CARGO) test --features failpoints --test it -- crash:: --nocapture

# PyYAML is an oracle for what confgit writes; jsonschema for what schemas/ says; openapi-spec-validator and
# schemathesis for openapi.json.
$(VENV)/ready: tests/requirements.txt
	@command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
