//! The rules of redaction as one table, in the order they are applied to a value.

/// One rule of redaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// A short name.
    pub name: &'static str,
    /// What it applies to, and what it leaves.
    pub applies_to: &'static str,
    /// What stands in the place of what is hidden.
    pub shown_as: &'static str,
    /// Examples: the column, a value of it, and what becomes of it.
    pub examples: &'static [(&'static str, &'static str, &'static str)],
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "name by key",
        applies_to: "text under a column or JSON key of a person's name: first, last, full, display, … name in any spelling, user \
                     and agent names, caller and customer; names of workflows, queues, files and other things stay, and so do \
                     ids and words such as anonymous",
        shown_as: "[name]",
        examples: &[
            ("customer_name", "Mary Whitfield", "[name]"),
            (
                "data",
                r#"{"firstName":"Mary","LAST_NAME":"Whitfield"}"#,
                r#"{"firstName":"[name]","LAST_NAME":"[name]"}"#,
            ),
            ("workflow_name", "Billing", "Billing"),
        ],
    },
    Rule {
        name: "e-mail by key",
        applies_to: "text under a column or JSON key of an e-mail address, also where it is not well formed",
        shown_as: "[email]",
        examples: &[("contact_email", "mary.whitfield", "[email]"), ("email_type", "private", "private")],
    },
    Rule {
        name: "phone by key",
        applies_to: "text under a column or JSON key of a phone number (phone, mobile, fax, msisdn, ani, caller id, …), and JSON \
                     numbers and numeric columns of at least 7 digits there; counts, types and ids beside it stay",
        shown_as: "[phone ··43], or [phone] for less than 7 digits; null in a numeric column",
        examples: &[
            ("source_details_phone_number", "+1 (202) 555-0143", "[phone ··43]"),
            (
                "data",
                r#"{"phone":12025550143,"phoneType":"mobile"}"#,
                r#"{"phone":"[phone ··43]","phoneType":"mobile"}"#,
            ),
            ("caller_phone", "anonymous", "anonymous"),
        ],
    },
    Rule {
        name: "name of the row",
        applies_to: "the names that stand under keys of names in the same row, whole or each word of at least 3 letters, in every \
                     other text of the row, whatever their case",
        shown_as: "[name]",
        examples: &[(
            "data",
            r#"{"customer_name":"Mary Whitfield","said":"this is mary, i can't log in"}"#,
            r#"{"customer_name":"[name]","said":"this is [name], i can't log in"}"#,
        )],
    },
    Rule {
        name: "e-mail by form",
        applies_to: "an address anywhere in a text: local part, @ (also ＠ and %40) and domain, with quotes, in any script",
        shown_as: "[email]",
        examples: &[("notes", "ask mary.whitfield@example.org, or sip:bob@example.com", "ask [email], or sip:[email]")],
    },
    Rule {
        name: "phone by form",
        applies_to: "a number anywhere in a text: with a plus or 00, with brackets, in groups, or bare where it is a number of the \
                     North American plan, has a trunk 0, or is a valid international one; digits of any script, with its \
                     extension. Dates, times, amounts, addresses of machines and digits that touch letters are none; under keys \
                     of ids and times only what has a plus",
        shown_as: "[phone ··43]",
        examples: &[
            ("notes", "call 202-555-0143 ext. 12", "call [phone ··43]"),
            ("notes", "２０２ ５５５ ０１４３", "[phone ··43]"),
            ("notes", "on 2026-10-01 12:20:15 for 43.811 s", "on 2026-10-01 12:20:15 for 43.811 s"),
            ("session_id", "028d0110011c338a49078aecf4", "028d0110011c338a49078aecf4"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Writes `docs/redaction.md`.
    fn page() -> String {
        let mut page = String::from(
            "<!-- Written from the table in src/report/redact/rules.rs; see CONTRIBUTING.md for how to regenerate it. -->\n\n\
             # Redaction\n\n\
             `sessionlake report run --redact` masks phone numbers, e-mail addresses and names before anything is written. The rules, in the\n\
             order they are tried; keys are the names of columns and of JSON members, in any spelling (`firstName`, `FIRST_NAME`, `first name`).\n\
             JSON is gone through at any depth, also inside strings of JSON and where it is broken; all else in it stays byte for byte. What\n\
             is masked once stays as it is when it is masked again.\n\n\
             Not found is a name that stands under no key that says so, in a row that does not name the person elsewhere, and an address that\n\
             is spelled out (`mary at example dot com`). Parameters of the\n\
             run are masked as columns of their names are.\n",
        );
        for rule in RULES {
            let _ =
                write!(page, "\n## {}\n\nApplies to {}. Shown as {}.\n\n", rule.name, rule.applies_to, rule.shown_as);
            page.push_str("| column | value | shown |\n| --- | --- | --- |\n");
            for (column, value, shown) in rule.examples {
                let _ = writeln!(page, "| `{column}` | `{value}` | `{shown}` |");
            }
        }
        page
    }

    #[test]
    fn the_page_of_the_rules_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/redaction.md");
        if std::env::var_os("SESSIONLAKE_BLESS").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == page(),
            "docs/redaction.md is stale; regenerate it with\n    SESSIONLAKE_BLESS=1 cargo test --lib the_page_of_the_rules"
        );
    }
}
