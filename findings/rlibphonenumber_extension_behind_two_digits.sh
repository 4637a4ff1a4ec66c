#!/usr/bin/env bash
# rlibphonenumber 2.2.15 (crates.io): of libphonenumber's two ways to be a number, two digits alone and three or more with whatever
# follows, the first may have an extension too, since the alternation stands in a group of its own before the extension's pattern.
# And the wide tilde U+FF5E, which the original's ports take for punctuation, ends a number.
# Seen: `15 ,134` in US is +115 with extension 134, where phonenumbers 9.0.43 says that it is no number; `+216～88 123 456` is none, where
# phonenumbers has +21688123456.
# Source: this run; PhoneNumberRegExpsAndMappings::new of the crate.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q phonenumbers==9.0.43
cargo init -q --name probe probe
cat >> probe/Cargo.toml <<'TOML'
rlibphonenumber = "=2.2.15"
TOML
cat > probe/src/main.rs <<'RUST'
use rlibphonenumber::{PHONE_NUMBER_UTIL as util, PhoneNumberFormat::E164};

fn main() {
    for (text, region) in [("15 ,134", "US"), ("+216～88 123 456", "DE"), ("115 ,134", "US")] {
        let number = util.parse(text, Some(region.parse().unwrap()));
        println!("{text} {}", number.map_or("none".into(), |number| util.format(&number, E164).to_string()));
    }
}
RUST
cat > ask.py <<'PYTHON'
import phonenumbers as p

for text, region in [("15 ,134", "US"), ("+216～88 123 456", "DE"), ("115 ,134", "US")]:
    try:
        print(text, p.format_number(p.parse(text, region), p.PhoneNumberFormat.E164))
    except p.NumberParseException:
        print(text, "none")
PYTHON
(cd probe && cargo run -q) > ours
env/bin/python ask.py > theirs
printf '15 ,134 +115\n+216～88 123 456 none\n115 ,134 +1115\n' | cmp - ours
printf '15 ,134 none\n+216～88 123 456 +21688123456\n115 ,134 +1115\n' | cmp - theirs
echo "as described"
