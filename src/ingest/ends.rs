//! Where a record of delimited text ends: what all dialects share.

use memchr::memchr;

use super::dialect::Dialect;

/// Where a record ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    /// At `end`, without its line end; the next record starts at `next`.
    Record { end: usize, next: usize, fault: Option<&'static str> },
    /// Behind the window.
    More,
}

/// Says what ends behind the quote that closes a field: the record, or `None` where another field follows.
#[inline]
pub(super) fn behind_quote(window: &[u8], quote: usize, at_end: bool, dialect: Dialect) -> Option<Cut> {
    Some(match window.get(quote + 1).copied() {
        None => whole(window, dialect, None),
        Some(next) if next == dialect.delimiter => return None,
        Some(next) if next == dialect.newline => line(window, quote + 1, dialect, None),
        Some(b'\r') if dialect.newline == b'\n' => match window.get(quote + 2) {
            Some(b'\n') => line(window, quote + 2, dialect, None),
            None if at_end => whole(window, dialect, None),
            None => Cut::More,
            Some(_) => fault(window, at_end, dialect, "text after a closing quote"),
        },
        Some(_) => fault(window, at_end, dialect, "text after a closing quote"),
    })
}

pub(super) fn line(window: &[u8], newline_at: usize, dialect: Dialect, fault: Option<&'static str>) -> Cut {
    let before = newline_at.checked_sub(1).and_then(|at| window.get(at));
    let carriage_return = dialect.newline == b'\n' && before == Some(&b'\r');
    Cut::Record { end: newline_at - usize::from(carriage_return), next: newline_at + 1, fault }
}

/// The last record, which has no line end.
pub(super) fn whole(window: &[u8], dialect: Dialect, fault: Option<&'static str>) -> Cut {
    let carriage_return = dialect.newline == b'\n' && window.last() == Some(&b'\r');
    Cut::Record { end: window.len() - usize::from(carriage_return), next: window.len(), fault }
}

/// A broken record ends with its first line.
pub(super) fn fault(window: &[u8], at_end: bool, dialect: Dialect, reason: &'static str) -> Cut {
    match memchr(dialect.newline, window) {
        Some(newline_at) => line(window, newline_at, dialect, Some(reason)),
        None if at_end => whole(window, dialect, Some(reason)),
        None => Cut::More,
    }
}
