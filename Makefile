# The two commands of the README, and what they are made of.
#
#   make demo [IMAGE=alpine]   from nothing to a running web server, each step with its time
#   make test                  all tests: units, and end to end with the real kernel, registry and docker client
#   make fuzz [SECONDS=60] [TARGETS=…]   search for inputs that break a parser
#   make deny                  licences, sources and banned crates of the dependencies (needs cargo-deny)
#   make install               programs and systemd units under $(DESTDIR)$(PREFIX)

PREFIX ?= /usr/local
SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)

# The shim and the runtime are static: they start in half the time, and a container cannot reach their libraries. The
# init program is, since it runs where no libraries are. They are linked for a fixed address, too: a relocatable program
# writes 11 pages of addresses before its first instruction of ours, twice in a run since the runtime executes itself
# again (24 of 177 page faults, 50,000 of 390,000 instructions, 3 % of the CPU time), and each shim keeps them.
# musl where its target can be had, else glibc.
STATIC_TARGET = $(shell (rustup target add x86_64-unknown-linux-musl >/dev/null 2>&1 && echo x86_64-unknown-linux-musl) || echo x86_64-unknown-linux-gnu)
# Some of the cryptography is in C and assembly: the host's compiler makes it for musl, too, since it calls no library.
# Some compilers (Ubuntu's) put in checks that do call one, and only glibc has.
export CC_x86_64_unknown_linux_musl ?= cc
export CFLAGS_x86_64_unknown_linux_musl ?= -U_FORTIFY_SOURCE
STATIC_FLAGS := -C target-feature=+crt-static -C relocation-model=static
OUT := target/dist

.PHONY: help build test test-programs demo lint fuzz deny install clean tools-build tools-test

help:
	@sed -n 's/^#   //p' Makefile

tools-build:
	@packaging/install-tools build

tools-test:
	@packaging/install-tools test

# Programs in release mode, all in $(OUT).
build: tools-build
	cargo build --release --locked -p tierce-cli -p tierce-daemon -p tierce-dns -p tierce-hub -p tierce-supervisor
	RUSTFLAGS="$(STATIC_FLAGS)" cargo build --profile static --locked --target $(STATIC_TARGET) -p tierce-runtime -p tierce-shim -p tierce-init -p tierce-standin
	@mkdir -p $(OUT)
	@install -m 755 $(addprefix target/release/,tierce tierced tierce-dns tierce-hub tierce-supervisor) $(OUT)
	@install -m 755 $(addprefix target/$(STATIC_TARGET)/static/,tierce-runtime tierce-init tierce-stand-in containerd-shim-tierce-v2) $(OUT)

# Programs in debug mode, where the tests look for them.
test-programs: tools-test
	cargo build --locked --workspace --bins

test: test-programs
	@packaging/run-tests

demo: build tools-test
	cargo run --quiet --locked -p xtask -- demo --programs $(OUT) $(if $(IMAGE),--image $(IMAGE))

lint:
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@# As `build` does: on their own these have fewer features of their dependencies.
	cargo check --quiet --locked -p tierce-runtime -p tierce-shim -p tierce-init -p tierce-standin
	cargo run --quiet --locked -p xtask -- tidy

fuzz:
	@packaging/fuzz $(or $(SECONDS),60) $(TARGETS)

# Known vulnerabilities are asked for where the network gives the advisories: `cargo deny check advisories`.
deny:
	cargo deny --locked check licenses bans sources

install: build
	packaging/install --prefix "$(PREFIX)" --destdir "$(DESTDIR)" --programs $(OUT)

clean:
	cargo clean
