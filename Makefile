# `make help` lists the targets. Rust and make are all that `demo` and `test` need.

CARGO ?= cargo
VENV := target/venv
PYTHON := $(VENV)/bin/python
HELM_VERSION := v3.18.6
HELM := target/tools/helm-$(HELM_VERSION)
ROUNDS ?= 50

.PHONY: help demo test check openapi bench crash deploy-check

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ## start a fresh server with example-repo on port 8000
	$(CARGO) run --release --quiet -- demo

test: $(VENV)/ready deploy-check ## run every test: units, doctests, the real server over real repositories, deploy/
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| echo "chromium is missing, and a test needs it: install it with 'apt-get install chromium'"
	@{ command -v ssh-keygen && command -v openssl; } >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-client openssl; } \
		|| echo "ssh or openssl is missing, and tests need them: install them with 'apt-get install openssh-client openssl'"
	CONFGIT_TEST_PYTHON=$(abspath $(PYTHON)) $(CARGO) test --features failpoints

check: ## formatting, lints, documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features failpoints -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

deploy-check: $(VENV)/ready $(HELM) ## ask systemd, hadolint, Helm and the schemas of Compose and Kubernetes about deploy/
	@command -v systemd-analyze >/dev/null || { apt-get update -qq && apt-get install -y -qq systemd; } \
		|| { echo "systemd-analyze is missing: install it with 'apt-get install systemd'"; exit 1; }
	HELM=$(abspath $(HELM)) VENV_BIN=$(abspath $(VENV)/bin) deploy/check.sh

openapi: ## renew schemas/openapi.json and schemas/proposal.schema.json from the code
	CONFGIT_RENEW_OPENAPI=1 $(CARGO) test --features failpoints --lib -- api::http::openapi proposal::tests

bench: ## measure against a bare handler and etcd; writes bench/results.md
	@command -v etcd >/dev/null || { apt-get update -qq && apt-get install -y -qq etcd-server; } \
		|| echo "etcd is missing: install it with 'apt-get install etcd-server' to have its rows"
	$(CARGO) build --release
	target/release/confgit bench all --out bench/results.md

crash: ## kill -9 under load and compare, ROUNDS times (default 50)
	CONFGIT_CRASH_ROUNDS=$(ROUNDS) $(CARGO) test --features failpoints --test it -- crash:: --nocapture

# PyYAML is an oracle for what confgit writes; jsonschema for what schemas/ says; openapi-spec-validator and
# schemathesis for openapi.json; playwright drives a browser through /docs; prometheus-client for what /metrics
# shows; dulwich is a second Git, asyncssh a forge's ssh; the others are validators of deploy/.
$(VENV)/ready: tests/requirements.txt
	@command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# Built once, in a minute or two, from the pinned sources that Go's checksum database vouches for.
$(HELM):
	@command -v go >/dev/null || { echo "go is missing, to build Helm: apt-get install golang-go (1.24 or newer)"; exit 1; }
	GOBIN=$(abspath target/tools) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	mv target/tools/helm $@
