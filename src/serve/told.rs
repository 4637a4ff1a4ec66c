//! What clients are told of errors: all that they can mend, and nothing of where the server keeps what it reads.

use crate::error::Error;

/// Says what is wrong. What a storage says goes into the server's log: it names places that are nobody else's business.
pub(super) fn message(error: &Error) -> String {
    match error {
        Error::Storage { .. } => {
            tracing::warn!(target: "serve", "the storage failed: {error}");
            "the server could not read what it needs; its log says why".to_owned()
        }
        other => other.to_string(),
    }
}
