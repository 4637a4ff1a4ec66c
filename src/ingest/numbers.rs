//! How numbers are written: the decimal mark, and what stands between thousands.

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    pub(super) decimal_comma: bool,
    pub(super) thousands: Option<char>,
}

impl Numbers {
    /// Returns whether numbers have a decimal point and nothing between thousands.
    pub(super) fn are_plain(self) -> bool {
        self == Self::default()
    }

    /// Rewrites a number as the usual one; `None` where its thousands are not grouped as thousands are.
    pub(super) fn plain(self, text: &str) -> Option<String> {
        let text = text.trim_ascii();
        let mark = if self.decimal_comma { ',' } else { '.' };
        let (whole, fraction) = match text.split_once(mark) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let between = |c: char| match self.thousands {
            // A blank stands for those that do not break too, which is what programs write for it.
            Some(' ') => matches!(c, ' ' | '\u{a0}' | '\u{202f}'),
            Some('\'') => matches!(c, '\'' | '\u{2019}'),
            Some(thousands) => c == thousands,
            None => matches!(c, '.' | '\u{a0}' | '\u{202f}' | '\'' | '\u{2019}' | ' '),
        };
        let mut groups = whole.split(between);
        let mut number = groups.next()?.to_owned();
        let first = number.trim_start_matches(['+', '-']).len();
        for group in groups {
            if group.len() != 3 || !(1..=3).contains(&first) {
                return None;
            }
            number.push_str(group);
        }
        if let Some(fraction) = fraction {
            // A second mark would be taken for a decimal point where it is none.
            if fraction.contains('.') {
                return None;
            }
            number.push('.');
            number.push_str(fraction);
        }
        Some(number)
    }
}
