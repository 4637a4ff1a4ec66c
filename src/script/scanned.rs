//! Takes errors of values out of what the Parquet reader makes of them.
//!
//! A filter that the scan evaluates gives its error to DataFusion 55's row filter, which keeps nothing of it but Rust's debug text inside a
//! message (datafusion-datasource-parquet, `row_filter.rs`). So the kind of the error and its message are read back from that text: the same
//! fault must not read differently because a filter moved into the scan.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

const BEFORE: &str = "Error evaluating filter predicate: ";

/// Returns the error of a value that a message of the Parquet reader holds, if it holds one.
pub(super) fn error_of_value(message: &str) -> Option<DataFusionError> {
    let (_, debug) = message.split_once(BEFORE)?;
    // The innermost error counts, and stands behind the names of what it is wrapped in: `ArrowError(CastError("…"), Some(""))`.
    let names: Vec<&str> = debug
        .split('"')
        .next()?
        .split(['(', '{', ' '])
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect();
    if names.iter().any(|name| name.trim_end_matches([')', ',']) == "DivideByZero") {
        return Some(arrow_error(ArrowError::DivideByZero));
    }
    let text = debug.find('"').and_then(|at| literal(debug.get(at + 1..)?))?;
    Some(match *names.last()? {
        "CastError" => arrow_error(ArrowError::CastError(text)),
        "ParseError" => arrow_error(ArrowError::ParseError(text)),
        "ComputeError" => arrow_error(ArrowError::ComputeError(text)),
        "InvalidArgumentError" => arrow_error(ArrowError::InvalidArgumentError(text)),
        "ArithmeticOverflow" => arrow_error(ArrowError::ArithmeticOverflow(text)),
        "ResourcesExhausted" => DataFusionError::ResourcesExhausted(text),
        _ => DataFusionError::Execution(text),
    })
}

fn arrow_error(error: ArrowError) -> DataFusionError {
    DataFusionError::ArrowError(Box::new(error), None)
}

/// Reads text as Rust's debug format writes it, up to its closing quote.
fn literal(debug: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = debug.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                '0' => text.push('\0'),
                'u' => {
                    let code: String = characters.by_ref().take_while(|c| *c != '}').skip(1).collect();
                    text.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(error: &DataFusionError) -> String {
        format!("External: Compute error: {BEFORE}{error:?}")
    }

    #[test]
    fn errors_come_back_as_they_went_in() {
        let texts = ["plain", "a \"quoted\" \\ text\nwith\tlines", "o\u{2019}n \u{1F600} \u{200b} \u{0}", ""];
        for text in texts.map(str::to_owned) {
            let errors = [
                arrow_error(ArrowError::CastError(text.clone())),
                arrow_error(ArrowError::ParseError(text.clone())),
                arrow_error(ArrowError::ComputeError(text.clone())),
                arrow_error(ArrowError::InvalidArgumentError(text.clone())),
                arrow_error(ArrowError::ArithmeticOverflow(text.clone())),
                arrow_error(ArrowError::DivideByZero),
                DataFusionError::ResourcesExhausted(text.clone()),
                DataFusionError::Execution(text.clone()),
            ];
            for error in errors {
                let found = error_of_value(&wrapped(&error)).unwrap();
                assert_eq!(format!("{found:?}"), format!("{error:?}"));
            }
            let backtrace = DataFusionError::ArrowError(Box::new(ArrowError::CastError(text)), Some(String::new()));
            let found = error_of_value(&wrapped(&backtrace)).unwrap();
            assert_eq!(found.message(), backtrace.message());
        }
    }

    #[test]
    fn what_is_no_error_of_a_value_stays_what_it_is() {
        for message in [
            "External: broken page",
            "",
            "Error evaluating filter predicate: ",
            "Error evaluating filter predicate: X(\"cut",
        ] {
            assert!(error_of_value(message).is_none(), "{message}");
        }
    }
}
