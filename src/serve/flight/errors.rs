//! Errors as clients of gRPC know them.

use tonic::Status;

use crate::error::{Error, SqlError, as_flags};
use crate::serve::told;

/// Bytes of a message at most: it goes in a header, of which clients take eight kilobytes, some of its signs written as three.
const MESSAGE_BYTES: usize = 2_000;

/// The answer to a log-in that failed.
pub fn refused(error: &Error) -> Status {
    match error {
        Error::Usage { message, .. } => Status::unauthenticated(message.clone()),
        other => status(other),
    }
}

/// An error as clients of gRPC know it.
pub fn status(error: &Error) -> Status {
    let mut message = match error {
        // Without the line of the statement where that is long.
        Error::Sql(error) if error.to_string().len() > MESSAGE_BYTES => {
            SqlError { source_line: None, ..SqlError::clone(error) }.to_string()
        }
        error => told::message(error),
    };
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    if let Some(hint) = error.hint() {
        message = format!("{message}\nhint: {hint}");
    }
    let message = as_flags(&message).into_owned();
    match error {
        Error::Sql(_) | Error::Usage { .. } | Error::Input { .. } => Status::invalid_argument(message),
        Error::NotFound { .. } => Status::not_found(message),
        Error::Limit { .. } if message.contains("stopped after") => Status::deadline_exceeded(message),
        Error::Limit { .. } => Status::resource_exhausted(message),
        Error::NotBuilt { .. } => Status::unimplemented(message),
        Error::Cancelled => Status::cancelled(message),
        Error::Conflict { .. } => Status::aborted(message),
        Error::Storage { .. } => Status::unavailable(message),
        Error::Check { .. } | Error::Internal(_) => Status::internal(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_headers_may_be() {
        let error = |text: &str, message: &str| {
            Error::from(SqlError {
                file: "statement".to_owned(),
                position: Some((1, 8)),
                width: 4,
                source_line: Some(text.to_owned()),
                message: message.to_owned(),
                hint: Some("write it".to_owned()),
            })
        };
        let short = status(&error("select nope", "no column"));
        assert!(short.message().contains("1 | select nope") && short.message().ends_with("hint: write it"));
        let long = status(&error(&format!("select nope, '{}'", "x".repeat(100_000)), "no column"));
        assert_eq!(long.message(), "statement:1:8: no column\nhint: write it");
        let cut = status(&error("select", &"ä".repeat(10_000)));
        assert!(cut.message().len() < MESSAGE_BYTES + 20 && cut.message().ends_with("hint: write it"));
    }
}
