# SPDX-License-Identifier: Apache-2.0 OR MIT
# Every command that a person types. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
OUT ?= out
# A target that has no standard library: crate bundle must do without.
BARE_METAL := thumbv7em-none-eabihf
# Writes what criterion measured as a page.
PAGE = $(CARGO) run --release -p bench --locked --bin bench -- target/criterion --date $$(date -I)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## All programs, optimised, into target/release
	$(CARGO) build --release --workspace --locked

.PHONY: demo
demo: build ## The main job, end to end: real traffic through a generated program, compared with the reference
	target/release/sddtn-demo --out $(OUT)/demo

.PHONY: setup
setup: ## What the tests need besides Rust and a C compiler (Debian packages, PyPI)
	testbed/setup.sh

.PHONY: test
test: setup build ## All tests
	$(CARGO) test --workspace --locked --no-fail-fast
	target/release/sddtn-demo --out $(OUT)/test --require-tshark
	target/release/fuzz-differential --bundles 2000 --seed 1 --generated-only \
	    --out $(OUT)/test/differential --vectors $(OUT)/test/differential
	target/release/sddtn-endurance --out $(OUT)/test/endurance

.PHONY: endurance
endurance: build ## Kills switch, node and controller KILLS (200) times, in random order: what is lost, and how long everything takes
	target/release/sddtn-endurance --kills $(or $(KILLS),200) --out $(OUT)/endurance

# Mininet in a network of its own, with Debian's Python.
MININET = unshare --net /usr/bin/python3 -B testbed/mininet/run.py

.PHONY: testbed
testbed: build ## Figures 6 and 7 of the paper in Mininet, with losses, and a report; needs root; SWITCH=bmv2 with BMv2 on the PATH
	testbed/setup.sh mininet
	$(MININET) --out $(OUT)/testbed --switch $(or $(SWITCH),sddtn)

.PHONY: test-interfaces
test-interfaces: setup build ## The switch on veth pairs, and the testbed in short; needs root and iproute2, fails without them
	command -v ip
	$(CARGO) test --workspace --locked --test interfaces -- --ignored
	testbed/setup.sh mininet
	$(MININET) --quick --out $(OUT)/test/testbed

.PHONY: check
check: ## Format, lints, docs, licences: before every push
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	rustup target add $(BARE_METAL)
	$(CARGO) check -p bundle --no-default-features --target $(BARE_METAL) --locked
	shellcheck testbed/*.sh fuzz/*.sh bpsock/kmod/guest/*.sh .ci/run
	if command -v cargo-deny >/dev/null; then $(CARGO) deny check; else echo "cargo-deny is not installed: licences not checked"; fi

# Bundle protocol agents that bpsockd is tested with, by the name of their program.
REAL_AGENTS := dtnd hardy ion

.PHONY: conformance
ifdef AGENTS
conformance:
	$(if $(filter-out $(REAL_AGENTS),$(AGENTS)),$(error AGENTS are some of: $(REAL_AGENTS)))
	$(CARGO) test -p bpsockd --locked --test agents -- --ignored $(addsuffix ::,$(AGENTS))
else
conformance: build ## Against p4c and BMv2, where they are on the PATH, with figures 6 and 7 in short as root; the front end with P4C_TESTDATA=p4c/testdata; instead sockets with real agents by AGENTS=dtnd, hardy or ion
	target/release/sddtn-conformance --out $(OUT)/conformance
	if [ "$$(id -u)" -eq 0 ] && /usr/bin/python3 -c 'import mininet'; then \
	    $(MININET) --quick --switch bmv2 --out $(OUT)/conformance/testbed; \
	else \
	    echo "NOT RUN: figures 6 and 7 with BMv2, which need root and Mininet (testbed/setup.sh mininet)"; \
	fi
ifdef P4C_TESTDATA
	target/release/sddtn-p4-corpus $(P4C_TESTDATA) --out $(OUT)/p4-corpus
endif
endif

.PHONY: kmod
kmod: ## The kernel module: builds it, boots Debian's kernel in qemu, runs the socket tests there; GUEST=uml in User-Mode Linux
	testbed/setup.sh kmod $(GUEST)
	OUT=$(OUT) $(GUEST:%=GUEST=%) bpsock/kmod/guest/run.sh suite

.PHONY: kmod-stress
kmod-stress: ## Random system calls and netlink messages against the module in a guest, for KMOD_SECONDS (600); GUEST=uml
	testbed/setup.sh kmod $(GUEST)
	OUT=$(OUT) $(GUEST:%=GUEST=%) GUEST_SECONDS=$$(($(or $(KMOD_SECONDS),600) * 2 + 300)) \
	    bpsock/kmod/guest/run.sh stress $(or $(KMOD_SECONDS),600)

.PHONY: kmod-daemon
kmod-daemon: build ## The kernel module with the real daemon in the same guest, and two hosts that exchange bundles; minutes
	testbed/setup.sh kmod
	OUT=$(OUT) GUEST_SECONDS=1800 bpsock/kmod/guest/run.sh daemon

.PHONY: bench
bench: build ## All benchmarks, side by side with others; tables into bench/results; needs root for network namespaces
	$(CARGO) bench -p bench --locked
	$(PAGE) --title Codecs crc decode encode translate > bench/results/codec.md
	$(PAGE) --title Routes routes > bench/results/contact.md
	target/release/bench-switch --date $$(date -I) --write bench/results/switch.md
	$(MAKE) -C bpsock/suite OUT=$(abspath $(OUT))/suite
	$(MAKE) -C bpsock/suite OUT=$(abspath $(OUT))/suite/static LDFLAGS=-static
	target/release/bench-sockets host --date $$(date -I) --write bench/results/sockets.md

.PHONY: routing
routing: ## Routes against exhaustive search, and how long they take on 10^3 to 10^6 contacts: minutes, on standard output; PLANS=FOLDER with plans of others
	$(CARGO) build --release -p contact --example routing --locked
	target/release/examples/routing agree
	target/release/examples/routing times
ifdef PLANS
	target/release/examples/routing plans $(PLANS)
endif

.PHONY: kmod-bench
kmod-bench: build ## Round trips and rates with the kernel module in the guest, next to UDP; minutes; GUEST=uml
	testbed/setup.sh kmod $(GUEST)
	OUT=$(OUT) $(GUEST:%=GUEST=%) GUEST_SECONDS=1800 bpsock/kmod/guest/run.sh bench
	target/release/bench-sockets guest $(OUT)/kmod/console.log --title "in a guest: $(or $(GUEST),qemu)" \
	    --date $$(date -I) --write bench/results/sockets.md

.PHONY: fuzz
fuzz: ## Programs against the reference on FUZZ_BUNDLES (200000), and all fuzz targets for FUZZ_SECONDS (60) each, or TARGET; needs a C++ compiler
	OUT=$(OUT) CARGO=$(CARGO) fuzz/run.sh $(TARGET)

.PHONY: clean
clean: ## What was built and written
	$(CARGO) clean
	rm -rf $(OUT)
