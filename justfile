# What people run. `just` lists it; CI runs .ci/run, which has the same commands.

_list:
    @just --list

# Compile everything, without programs
check:
    cargo check --all-targets --locked

# Run the tests, all or those whose name contains the words
test *words:
    cargo test --locked {{ words }}

# Format and lint as CI does
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# Build the documentation of the code
doc *flags:
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked {{ flags }}

# Check licences, sources and banned crates
deny:
    cargo deny --locked check --hide-inclusion-graph bans licenses sources

# Start with synthetic patients and ask them questions
demo *flags:
    cargo run --release --locked -- demo {{ flags }}

# Hold the query engine against its specification: 100,000 generated pairs of source and question, some two minutes
prove pairs="100000" seed="20260100":
    CV3_PAIRS={{ pairs }} CV3_SEED={{ seed }} cargo test --locked --profile test-fast --test engine engine_and_oracle -- --nocapture

# Build, check and pack what is downloaded
dist target="x86_64-unknown-linux-musl":
    dist/build {{ target }}
    dist/archive {{ target }}
    dist/try {{ target }}
    dist/deb {{ target }}

# Send what schemathesis makes of the documents, right and wrong, as every role
fuzz-api examples="20":
    cargo build --locked
    tests/fuzz/schemathesis/run {{ examples }}

# Measure; benches lie under tests/bench
bench *words:
    cargo bench --locked {{ words }}

# Rewrite the files that are made from the types
generate:
    CV3_REGENERATE=1 cargo test --locked --lib config::
    CV3_REGENERATE=1 cargo test --locked --test appliance written_documents
    CV3_REGENERATE=1 cargo test --locked --test appliance an_administrator
    CV3_REGENERATE=1 cargo test --locked --test appliance the_written_schema

# Everything that must hold before a change lands
ci:
    bash .ci/run
