# Two commands for a new machine with Rust and Python: `make demo` and `make test`. Both install what is missing.

CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
export STANMATCH = $(abspath $(CARGO_TARGET_DIR))/$(BUILT)/stanmatch

.PHONY: demo test system book

# Fits eight schools and prints the comparison with reference draws.
demo: BUILT = release
demo: system
	cargo build --release --locked
	scripts/setup.sh toolchain
	$(STANMATCH) fit eight_schools

# The tests of the library, of the documentation, of the command line and of the Python clients. Slow tests run with
# STANMATCH_SLOW_TESTS=1 only; POSTERIORDB names the checkout of posteriordb that some tests compare with. The tests compile
# many models, for which compiled headers pay.
test: BUILT = debug
test: system
	cargo build --locked
	scripts/setup.sh compiler
	scripts/setup.sh toolchain
	scripts/setup.sh toolchain --precompile-headers
	scripts/setup.sh python
	scripts/setup.sh browser
	cargo test --locked
	.venv/bin/python -m pytest -q tests/python
	@[ -n "$${STANMATCH_SLOW_TESTS:-}" ] || echo "skipped: slow tests; STANMATCH_SLOW_TESTS=1 runs them too" >&2
	@[ -d "$${POSTERIORDB:-../shared/posteriordb}" ] || \
		echo "skipped: tests against posteriordb; name a checkout in POSTERIORDB" >&2

# What the build needs of the system.
system:
	scripts/setup.sh system

# The documentation as a book, into target/book.
book:
	scripts/setup.sh book
	PATH="$(abspath $(CARGO_TARGET_DIR))/book-tools/bin:$$PATH" mdbook build
