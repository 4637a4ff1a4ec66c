//! Reads phone numbers by the numbering plans of the world.
//!
//! The trait keeps the library replaceable, and its input tame: only digits and a leading plus reach it, whatever the cell holds.

use phonenumber::country;

/// Longest text that is taken for a phone number, in bytes.
const MAX_BYTES: usize = 64;

/// A phone number, in the two parts of E.164.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    /// Country code, 1 to 999.
    pub(crate) country_code: u16,
    /// National significant number: digits, without trunk prefix.
    pub(crate) national: String,
}

impl Number {
    /// Writes the number in E.164.
    pub(crate) fn e164(&self) -> String {
        format!("+{}{}", self.country_code, self.national)
    }
}

/// A country or territory by its two-letter ISO 3166 code, which gives numbers without a country code their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region(country::Id);

impl Region {
    /// Finds a region by its code, in any case.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        let code = code.trim();
        if code.len() != 2 || !code.is_ascii() {
            return None;
        }
        code.to_ascii_uppercase().parse().ok().map(Self)
    }
}

/// Something that knows numbering plans.
pub(crate) trait Numbering {
    /// Reads a number: digits with an optional leading plus. Without a region only numbers with a plus can be read.
    fn read(&self, digits: &str, region: Option<Region>) -> Option<Number>;
}

/// The numbering plans of Google's libphonenumber, as the crate phonenumber carries them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Libphonenumber;

impl Numbering for Libphonenumber {
    fn read(&self, digits: &str, region: Option<Region>) -> Option<Number> {
        if region.is_none() && !digits.starts_with('+') {
            return None;
        }
        if let Some(national) = north_american(digits) {
            return Some(Number { country_code: 1, national: national.to_owned() });
        }
        let number = phonenumber::parse(region.map(|region| region.0), digits).ok()?;
        let country_code = number.country().code();
        let national = number.national().to_string();
        // E.164 has at most 15 digits, and no country code is 0.
        let length = country_code.to_string().len() + national.len();
        (country_code > 0 && (7..=15).contains(&length)).then_some(Number { country_code, national })
    }
}

/// Returns the ten digits of a number in the international form of the North American plan.
///
/// Nothing about such a number is left to find out, and finding it out takes the library some microseconds, which is most of
/// the time of a report over callers.
fn north_american(digits: &str) -> Option<&str> {
    let national = digits.strip_prefix("+1")?;
    let plain = national.len() == 10 && national.bytes().all(|byte| byte.is_ascii_digit());
    (plain && national.starts_with(|first| ('2'..='9').contains(&first))).then_some(national)
}

/// Reads a phone number as people write it: spaces, dots, dashes, slashes and brackets are dropped, `tel:` in front too.
///
/// Text with anything else in it (`anonymous`, a SIP address, an extension) is no number.
pub(crate) fn read(plans: &impl Numbering, text: &str, region: Option<Region>) -> Option<Number> {
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return None;
    }
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &text[4..],
        _ => text,
    };
    // A trunk zero in brackets is a reminder for callers from inside: +49 (0)30 is +49 30.
    let text = if text.starts_with('+') { text.replacen("(0)", "", 1) } else { text.to_owned() };
    let mut digits = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() => digits.push('+'),
            ' ' | '.' | '-' | '/' | '(' | ')' | '\u{a0}' | '\u{2010}'..='\u{2015}' => {}
            _ => return None,
        }
    }
    plans.read(&digits, region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn e164(text: &str, region: Option<&str>) -> Option<String> {
        read(&Libphonenumber, text, region.map(|code| Region::parse(code).unwrap())).map(|number| number.e164())
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, region, expected) in [
            ("+12025550143", None, Some("+12025550143")),
            ("+1 (202) 555-0143", None, Some("+12025550143")),
            ("tel:+1-202-555-0143", None, Some("+12025550143")),
            ("+49 (0)30 901820", None, Some("+4930901820")),
            ("+49 30/901820", None, Some("+4930901820")),
            ("+39 06 698 83145", None, Some("+390669883145")),
            ("202-555-0143", Some("US"), Some("+12025550143")),
            ("12025550143", Some("us"), Some("+12025550143")),
            ("030 901820", Some("DE"), Some("+4930901820")),
            ("0049 30 901820", Some("DE"), Some("+4930901820")),
            ("+44 20 7946 0958", Some("DE"), Some("+442079460958")),
            ("030 901820", None, None),
            ("12025550143", None, None),
            ("anonymous", None, None),
            ("sip:alice@example.com", None, None),
            ("+1 202 555 0143 x5", None, None),
            ("+", None, None),
            ("", Some("US"), None),
            ("+999123456789", None, None),
            ("+1", None, None),
            ("+1202555014312345678", None, None),
            ("1+2025550143", None, None),
        ] {
            assert_eq!(e164(text, region).as_deref(), expected, "{text} {region:?}");
        }
        assert_eq!(e164(&"1".repeat(1_000), Some("US")), None);
    }

    #[test]
    fn regions_are_two_letters() {
        assert!(Region::parse(" de ").is_some());
        for wrong in ["", "D", "DEU", "ZZ", "é"] {
            assert_eq!(Region::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn e164_stays_as_it_is(area in 201_u32..990, line in 2_000_000_u32..9_999_999) {
            if let Some(number) = e164(&format!("{area}{line}"), Some("US")) {
                prop_assert_eq!(e164(&number, None), Some(number.clone()));
            }
        }

        #[test]
        fn the_short_way_agrees_with_the_library(national in "[2-9][0-9]{9}") {
            let digits = format!("+1{national}");
            prop_assert_eq!(north_american(&digits), Some(national.as_str()));
            for region in [None, Some("US"), Some("BS"), Some("IT"), Some("AR")] {
                let region = region.map(|code| Region::parse(code).unwrap().0);
                let number = phonenumber::parse(region, &digits).unwrap();
                prop_assert_eq!(number.country().code(), 1);
                prop_assert_eq!(number.national().to_string(), national.as_str());
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}", like in r"[+]?[0-9 ()*#;=.-]{0,24}", digits in "[+]?[0-9]{0,40}") {
            for text in [text, like, digits] {
                for region in [None, Some("US"), Some("IT"), Some("AR")] {
                    e164(&text, region);
                }
            }
        }
    }
}
