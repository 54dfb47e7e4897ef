#!/usr/bin/env bash
# Audits a model against the policy beside this script and shows the summary where GitHub looks for it.
#
#     gate.sh MODEL [OPTIONS OF audit run]        for example: gate.sh model.pt --data test.npz
#
# Exits as `audit run` does: 0 pass, 1 fail, 2 input error, 3 incomplete. Only 0 opens the gate.
set -uo pipefail

policy="$(cd "$(dirname "$0")" && pwd)/audit.toml"
out="${AUDIT_REPORT:-audit-report}"
rm -f "$out/summary.md" # an old summary must not stand for this run

audit run "$@" --policy "$policy" --out "$out" --quiet
code=$?

if [ -f "$out/summary.md" ]; then
  cat "$out/summary.md" >>"${GITHUB_STEP_SUMMARY:-/dev/stdout}"
fi
exit "$code"
