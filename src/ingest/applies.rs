//! Which options of reading mean something for which formats, and what is said where one does not.
//!
//! One table has all of them. An option that says what the records are is refused where it cannot be so, since the file is then not what
//! was declared; one without which the file reads the same is told in a note, as the files of a folder may be of several formats.

use super::dialect::{Declared, Escape};
use super::formats::{Encoding, InputFormat};
use super::source::ReadOptions;
use crate::error::{Error, Place, Result};

/// Formats that are read in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Delimited,
    Json,
    Sheet,
    /// Columns with names and types of their own: Parquet, Arrow, Avro, Delta tables.
    Typed,
}

impl Family {
    fn of(format: InputFormat) -> Self {
        match format {
            InputFormat::Csv | InputFormat::Tsv => Self::Delimited,
            InputFormat::Ndjson | InputFormat::JsonArray | InputFormat::Pages => Self::Json,
            InputFormat::Xlsx | InputFormat::Ods => Self::Sheet,
            InputFormat::Parquet | InputFormat::Arrow | InputFormat::Avro | InputFormat::Delta => Self::Typed,
        }
    }
}

/// An option that does not mean something for every format.
struct Rule {
    flag: &'static str,
    /// What it says, behind the flag.
    says: &'static str,
    families: &'static [Family],
    /// Whether a file of another family is refused.
    refuses: bool,
    is_given: fn(&ReadOptions) -> bool,
}

const DELIMITED: &[Family] = &[Family::Delimited];

const RULES: [Rule; 10] = [
    Rule {
        flag: "⟨dialect⟩",
        says: "is one of delimited text",
        families: DELIMITED,
        refuses: true,
        is_given: |options| options.dialect.is_some(),
    },
    Rule {
        flag: "⟨delimiter⟩",
        says: "says what stands between the fields of delimited text",
        families: DELIMITED,
        refuses: false,
        is_given: |options| alone(options).delimiter.is_some(),
    },
    Rule {
        flag: "⟨quote⟩",
        says: "says what stands around the fields of delimited text",
        families: DELIMITED,
        refuses: false,
        is_given: |options| alone(options).quote != b'"' || alone(options).escape == Escape::Nothing,
    },
    Rule {
        flag: "⟨escape⟩",
        says: "says how delimited text is escaped",
        families: DELIMITED,
        refuses: false,
        is_given: |options| !matches!(alone(options).escape, Escape::Doubled | Escape::Nothing),
    },
    Rule {
        flag: "⟨comment⟩",
        says: "says how comments in delimited text begin",
        families: DELIMITED,
        refuses: false,
        is_given: |options| options.declared.comment.is_some(),
    },
    Rule {
        flag: "⟨skip-lines⟩",
        says: "leaves out lines of delimited text or rows of a sheet",
        families: &[Family::Delimited, Family::Sheet],
        refuses: true,
        is_given: |options| options.declared.skip_lines > 0,
    },
    Rule {
        flag: "⟨columns⟩",
        says: "names the columns of records that come without names",
        families: &[Family::Delimited, Family::Json, Family::Sheet],
        refuses: true,
        is_given: |options| !options.declared.columns.is_empty(),
    },
    Rule {
        flag: "⟨records⟩",
        says: "says where in a JSON document the records are",
        families: &[Family::Json],
        refuses: true,
        is_given: |options| options.records.is_some(),
    },
    Rule {
        flag: "⟨sheet⟩",
        says: "names the sheet of a workbook",
        families: &[Family::Sheet],
        refuses: false,
        is_given: |options| options.sheet.is_some(),
    },
    Rule {
        flag: "⟨encoding⟩",
        says: "names the character set of a text",
        families: &[Family::Delimited, Family::Json],
        refuses: false,
        is_given: |options| options.encoding != Encoding::Utf8,
    },
];

/// Returns what is declared part by part: a dialect by name is one declaration.
fn alone(options: &ReadOptions) -> Declared {
    if options.dialect.is_some() { Declared::default() } else { options.declared.clone() }
}

/// Checks the options that were given against the format of a file; returns what is to be said of those that mean nothing for it.
///
/// # Errors
/// An option by which the file would be something else.
pub(super) fn check(format: InputFormat, options: &ReadOptions, name: &str) -> Result<Vec<String>> {
    let family = Family::of(format);
    let mut notes = Vec::new();
    for rule in RULES.iter().filter(|rule| !rule.families.contains(&family) && (rule.is_given)(options)) {
        let flag = match &options.dialect {
            Some((dialect, _)) if rule.flag == "⟨dialect⟩" => format!("⟨dialect⟩ {dialect}"),
            _ => rule.flag.to_owned(),
        };
        if rule.refuses {
            let message = format!("is {}, and {flag} {}", described(format), rule.says);
            return Err(Error::input(Place::file(name), message).with_hint(advice(rule, options)));
        }
        notes.push(format!("{flag} means nothing for {}: it {}", described(format), rule.says));
    }
    Ok(notes)
}

/// Says what to do in place of an option, with those parts of a dialect that mean something for every format.
fn advice(rule: &Rule, options: &ReadOptions) -> String {
    let leave_out = format!("take it in by a run of its own, without {}", rule.flag);
    if rule.flag != "⟨dialect⟩" {
        return leave_out;
    }
    let declared = &options.declared;
    let mut parts: Vec<String> = declared.nulls.iter().map(|mark| format!("⟨null-mark⟩ '{mark}'")).collect();
    if declared.decimal_comma {
        parts.push("⟨decimal-mark⟩ ,".to_owned());
    }
    if let Some(mark) = declared.thousands {
        parts.push(format!("⟨thousands-mark⟩ \"{mark}\""));
    }
    parts.extend(declared.dates.flag().map(|name| format!("⟨date-format⟩ {name}")));
    match parts.as_slice() {
        [] => leave_out,
        parts => format!("{leave_out}; its texts are read in the same way with {}", parts.join(" ")),
    }
}

/// Names a format in a sentence.
pub(super) fn described(format: InputFormat) -> &'static str {
    match format {
        InputFormat::Csv | InputFormat::Tsv => "delimited text",
        InputFormat::Ndjson | InputFormat::JsonArray | InputFormat::Pages => "JSON",
        InputFormat::Parquet => "a Parquet file",
        InputFormat::Arrow => "an Arrow file",
        InputFormat::Xlsx => "an XLSX workbook",
        InputFormat::Ods => "an OpenDocument spreadsheet",
        InputFormat::Delta => "a Delta table",
        InputFormat::Avro => "an Avro file",
    }
}

#[cfg(test)]
mod tests {
    use super::super::format_tests::{FORMATS, options};
    use super::super::records_path::RecordsPath;
    use super::*;

    /// Options with nothing but what a flag gives.
    fn given(flag: &str) -> ReadOptions {
        let mut options = options();
        match flag {
            "⟨dialect⟩" => {
                let (declared, format) = Declared::preset("excel-de").unwrap();
                options.declared = declared;
                options.dialect = Some(("excel-de".to_owned(), format));
            }
            "⟨delimiter⟩" => options.declared.delimiter = Some(b'|'),
            "⟨quote⟩" => options.declared.quote = b'\'',
            "⟨escape⟩" => options.declared.escape = Escape::Backslash,
            "⟨comment⟩" => options.declared.comment = Some(b'#'),
            "⟨skip-lines⟩" => options.declared.skip_lines = 2,
            "⟨columns⟩" => options.declared.columns = vec!["session_id".to_owned()],
            "⟨records⟩" => options.records = Some(RecordsPath::parse("$.data").unwrap()),
            "⟨sheet⟩" => options.sheet = Some("2".to_owned()),
            "⟨encoding⟩" => options.encoding = Encoding::Cp1252,
            other => panic!("{other}"),
        }
        options
    }

    #[test]
    fn every_option_means_something_for_a_file_or_is_told() {
        for rule in &RULES {
            let options = given(rule.flag);
            for format in FORMATS {
                let means_something = rule.families.contains(&Family::of(format));
                match check(format, &options, "x") {
                    Ok(notes) if means_something => assert!(notes.is_empty(), "{} {format:?}: {notes:?}", rule.flag),
                    Ok(notes) => {
                        assert!(!rule.refuses && notes.len() == 1, "{} {format:?}: {notes:?}", rule.flag);
                        assert!(notes[0].starts_with(rule.flag) && notes[0].contains(described(format)));
                    }
                    Err(error) => {
                        assert!(rule.refuses && !means_something, "{} {format:?}: {error}", rule.flag);
                        let (message, hint) = (error.to_string(), error.hint().unwrap().to_owned());
                        assert!(message.starts_with(&format!("x: is {}, and {}", described(format), rule.flag)));
                        assert!(hint.contains(&format!("without {}", rule.flag)) && !hint.contains("⟨input-format⟩"));
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_dialect_says_of_values_is_named_for_formats_without_fields() {
        let error = check(InputFormat::Xlsx, &given("⟨dialect⟩"), "a.xlsx").unwrap_err();
        assert_eq!(error.to_string(), "a.xlsx: is an XLSX workbook, and ⟨dialect⟩ excel-de is one of delimited text");
        let hint = "take it in by a run of its own, without ⟨dialect⟩; its texts are read in the same way with ⟨decimal-mark⟩ , ⟨date-format⟩ de";
        assert_eq!(error.hint(), Some(hint));
    }

    #[test]
    fn nothing_given_is_nothing_told() {
        for format in FORMATS {
            assert_eq!(check(format, &options(), "x").unwrap(), Vec::<String>::new());
        }
    }
}
