#!/usr/bin/env bash
# Asks phonenumbers, the Python port of libphonenumber, for every example number of all regions and types, in every form that it is
# written in, with every region as the default one, and for random texts, and compares our answers. Takes an hour or two on one core.
#
#     tests/phones/run.sh            # the answers go to target/phones/full.tsv, and are asked for once
#     tests/phones/run.sh record     # writes tests/phones/recorded.tsv anew, the part that the tests compare
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
release=9.0.43
folder=target/phones
mkdir -p "$folder"
if [[ ! -x "$folder/env/bin/python" ]]; then
    python3 -m venv "$folder/env"
fi
"$folder/env/bin/pip" install --quiet "phonenumbers==$release"
if [[ "${1:-}" == record ]]; then
    "$folder/env/bin/python" tests/phones/reference.py recorded > tests/phones/recorded.tsv
    exit
fi
if ! grep -qsx "# phonenumbers $release" "$folder/full.tsv"; then
    "$folder/env/bin/python" tests/phones/reference.py full > "$folder/full.part"
    mv "$folder/full.part" "$folder/full.tsv"
fi
"$folder/env/bin/python" tests/phones/reference.py damaged "${SEED:-1}" 20000 > "$folder/damaged.tsv"
for answers in full damaged; do
    SESSIONLAKE_PHONES="$PWD/$folder/$answers.tsv" cargo test --test it every_number_is_that_of_libphonenumber -- --nocapture
done
