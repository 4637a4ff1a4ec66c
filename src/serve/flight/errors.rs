//! Errors as clients of gRPC know them.

use tonic::Status;

use crate::error::{Error, as_flags};
use crate::serve::told;

/// The answer to a log-in that failed.
pub fn refused(error: &Error) -> Status {
    match error {
        Error::Usage { message, .. } => Status::unauthenticated(message.clone()),
        other => status(other),
    }
}

/// An error as clients of gRPC know it.
pub fn status(error: &Error) -> Status {
    let mut message = told::message(error);
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
