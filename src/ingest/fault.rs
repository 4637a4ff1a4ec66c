//! Why a record cannot be stored.

use super::signs::Sign;

/// Why a record cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The column at fault, if one is.
    pub(super) column: Option<String>,
    /// Why.
    pub(super) reason: String,
    /// What would read it, if that is known.
    pub(super) sign: Option<Box<Sign>>,
}

impl Fault {
    /// A fault of the record as a whole.
    pub(super) fn record(reason: impl Into<String>) -> Self {
        Self { column: None, reason: reason.into(), sign: None }
    }

    /// Names the flag that reads a text which stands for no value in the column at fault.
    pub(super) fn explained_by_null(self, text: Option<&str>, is_quoted: bool) -> Self {
        let known = text.filter(|_| self.sign.is_none()).and_then(|text| Sign::of_null(text, is_quoted));
        match known {
            Some(sign) => {
                Self { reason: format!("{}; {} reads it", self.reason, sign.flag), sign: Some(Box::new(sign)), ..self }
            }
            None => self,
        }
    }

    /// A fault of one column.
    pub(super) fn column(column: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { column: Some(column.into()), reason: reason.into(), sign: None }
    }
}
