#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs the differential test and the fuzzing programs, all of them or the named ones:
# fuzz/run.sh [differential] [TARGET...]
#
#   testdata/, seed ---------------------------------> differential ----> fuzz/regressions/switch/
#   testdata/ -- examples/seeds.rs --> out/fuzz/corpus/TARGET/ <--> TARGET --> out/fuzz/crashes/TARGET/
#
# FUZZ_BUNDLES is the number of bundles that the differential test generates, FUZZ_SEED says which
# (without it, the time does), and FUZZ_SECONDS is the time for each target. The corpus grows from
# run to run.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
bundles=${FUZZ_BUNDLES:-200000}
out=${OUT:-out}/fuzz
cargo=${CARGO:-cargo}
host=$(rustc --print host-tuple)
built=${CARGO_TARGET_DIR:-target}/$host/fuzz

# Coverage counters are made by a pass of LLVM that every toolchain has, so no nightly one is
# needed. With --target, build scripts and macros stay as they are.
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
)

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(echo differential && basename --suffix .rs --multiple fuzz/fuzz_targets/*.rs)
fi

if [ "${targets[0]}" = differential ]; then
    # Built as `make build` does, so that what is there is used.
    "$cargo" build --release --locked --workspace --bin fuzz-differential
    "${CARGO_TARGET_DIR:-target}/release/fuzz-differential" --bundles "$bundles" --out "$out/differential" \
        ${FUZZ_SEED:+--seed "$FUZZ_SEED"}
    targets=("${targets[@]:1}")
fi
[ ${#targets[@]} -gt 0 ] || exit 0

"$cargo" run --quiet --locked --package fuzz --example seeds -- testdata "$out/corpus"
RUSTFLAGS="${RUSTFLAGS:-} ${coverage[*]}" "$cargo" build --locked --package fuzz "${targets[@]/#/--bin=}" \
    --features libfuzzer --profile fuzz --target "$host"

for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target" "$out/crashes/$target"
    log=$out/$target.log
    echo "$target: $seconds s, log in $log"
    # Work that grows faster than the input shows as an input that takes too long.
    if ! "$built/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$out/crashes/$target/" "$out/corpus/$target" \
        >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "$target: failed on ${found:-an input that was not written}" >&2
        echo "Keep it: od -An -v -tx1 INPUT > fuzz/regressions/$target/NAME.hex" >&2
        exit 1
    fi
    grep -E '^#[0-9]+.*(INITED|DONE)|average_exec_per_sec' "$log"
done
