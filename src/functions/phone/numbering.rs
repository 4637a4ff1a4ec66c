//! Reads phone numbers by the numbering plans of the world, as Google's libphonenumber does.
//!
//! What a text is, its extension, letters, digits of other scripts, prefixes of dialling abroad and `tel:` included, is for the
//! library to say, and its answers are those of libphonenumber (tests/phones). Here is what the library leaves out.

use std::borrow::Cow;
use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};

/// The release of libphonenumber's metadata: the numbering plans that numbers are read by.
///
/// The library does not say which it carries, so it is pinned in Cargo.toml, and both change together.
pub const METADATA_RELEASE: &str = "9.0.42";

/// Longest text that libphonenumber takes for a phone number, in characters.
const MAX_CHARACTERS: usize = 250;

/// Where a `tel:` URI says what its number is relative to.
const CONTEXT: &str = ";phone-context=";

/// A phone number, in the two parts of E.164.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// Country code, 1 to 999.
    pub(crate) country_code: u16,
    /// Zeros that the national number begins with: Italian ones belong to it.
    zeros: usize,
    /// The rest of the national number.
    rest: u64,
}

impl Number {
    /// Returns the national significant number: digits, without trunk prefix.
    pub(crate) fn national(&self) -> String {
        format!("{:0<1$}{2}", "", self.zeros, self.rest)
    }

    fn of(number: &PhoneNumber) -> Option<Self> {
        let zeros = match number.italian_leading_zero() {
            true => usize::try_from(number.number_of_leading_zeros()).ok()?,
            false => 0,
        };
        let country_code = u16::try_from(number.country_code).ok()?;
        Some(Self { country_code, zeros, rest: number.national_number })
    }
}

/// Writes the number in E.164.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}{:0<2$}{3}", self.country_code, "", self.zeros, self.rest)
    }
}

/// A country or territory by its two-letter ISO 3166 code, which gives numbers without a country code their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region(rlibphonenumber::Region);

impl Region {
    /// Finds a region by its code, in any case.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        let code = code.trim();
        if code.len() != 2 || !code.is_ascii() {
            return None;
        }
        let region = rlibphonenumber::Region::from_code(&code.to_ascii_uppercase()).ok()?;
        // Not every code has a numbering plan.
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Self(region))
    }
}

/// Reads a phone number as people write it. Without a region only numbers that say their country code can be read.
pub(crate) fn read(text: &str, region: Option<Region>) -> Option<Number> {
    if let Some(rest) = north_american(text) {
        return Some(Number { country_code: 1, zeros: 0, rest });
    }
    if is_none(text) || text.len() > MAX_CHARACTERS && text.chars().count() > MAX_CHARACTERS {
        return None;
    }
    let text = readable(text);
    let number = PHONE_NUMBER_UTIL.parse(&text, region.map(|region| region.0)).ok()?;
    let extension = number.extension.as_deref();
    if extension.is_some_and(|extension| !may_have_extension(&text, extension)) {
        return None;
    }
    Number::of(&number)
}

/// Says whether a number may have the extension that the library found.
///
/// Two digits are a number, but one without extension, which the library does not mind. They are more than two where nothing but
/// punctuation stands before the next one, for which `x` and `~` count too.
fn may_have_extension(text: &str, extension: &str) -> bool {
    const PUNCTUATION: &str = "-xX*\u{2212}\u{30fc}\u{ff0d}\u{ff0e}\u{ff0f} \u{a0}\u{ad}\u{200b}\u{2060}\u{3000}()（）［］.[]/~\u{2053}\u{223c}";
    let is_digit = |character: &char| !PHONE_NUMBER_UTIL.normalize_digits_only(character.to_string()).is_empty();
    let text = text.trim_start_matches(|character| !is_digit(&character));
    let text = text.split_once(";isub=").map_or(text, |(number, _)| number);
    let digits = text.chars().filter(is_digit).count();
    if digits.saturating_sub(extension.len()) > 2 {
        return true;
    }
    let after = text.chars().skip(1).skip_while(|character| !is_digit(character)).skip(1);
    let mut between = after.take_while(|character| !is_digit(character));
    !text.ends_with('#')
        && between.all(|character| PUNCTUATION.contains(character) || ('\u{2010}'..='\u{2015}').contains(&character))
}

/// Returns a text as the library can be given it.
///
/// It takes what stands between `tel:` and the context for the number, and cuts the text in a wrong order where `tel:` comes
/// later. There is no number in between then, and libphonenumber goes on with the context alone. It also does not know the wide
/// tilde, which is as good as the narrow one everywhere.
fn readable(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains(';') {
        return Cow::Borrowed(text);
    }
    let number = match text.find(CONTEXT) {
        Some(at) if text.find("tel:").is_some_and(|scheme| scheme > at) => {
            let context = text.get(at..).unwrap_or_default();
            let end = context.get(CONTEXT.len()..).and_then(|value| value.find(';'));
            end.and_then(|end| context.get(..CONTEXT.len() + end)).unwrap_or(context)
        }
        _ => text,
    };
    if number.contains('～') { Cow::Owned(number.replace('～', "~")) } else { Cow::Borrowed(number) }
}

/// Returns the national number of one in the international form of the North American plan.
///
/// Nothing about such a number is left to find out, and finding it out takes the library some microseconds, which is most of the
/// time of a report over callers.
fn north_american(text: &str) -> Option<u64> {
    let (mut national, mut digits) = (0, 0);
    for byte in text.strip_prefix("+1")?.bytes() {
        match byte {
            b'0' | b'1' if digits == 0 => return None,
            b'0'..=b'9' => {
                national = national * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            // Between digits these say nothing; what they may say behind them is for the library.
            b' ' | b'.' | b'-' | b'(' | b')' if digits < 10 => {}
            _ => return None,
        }
        if digits > 10 {
            return None;
        }
    }
    (digits == 10).then_some(national)
}

/// Says of some texts that they are no number, as most that are none: words without digits, and addresses.
fn is_none(text: &str) -> bool {
    let (mut has_digit, mut host) = (false, None);
    let mut before = 0;
    for byte in text.bytes() {
        // A number begins at the first digit at the latest, and goes on to its last letter or digit.
        if before == b'@' && has_digit && host.is_none() {
            host = Some(byte.is_ascii_alphanumeric());
        }
        match byte {
            b'0'..=b'9' => has_digit = true,
            // The digits, blanks and dashes of other scripts count too, and a slash or a parameter may end a number.
            128.. | b'/' | b'\\' | b';' => return false,
            _ => {}
        }
        before = byte;
    }
    !has_digit || host.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn e164(text: &str, region: Option<&str>) -> Option<String> {
        read(text, region.map(|code| Region::parse(code).unwrap())).map(|number| number.to_string())
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, region, expected) in [
            ("+12025550143", None, Some("+12025550143")),
            ("+1 (202) 555-0143", None, Some("+12025550143")),
            ("tel:+1-202-555-0143", None, Some("+12025550143")),
            ("tel:202-555-0143;phone-context=+1", None, Some("+12025550143")),
            ("+49 (0)30 901820", None, Some("+4930901820")),
            ("+49 30/901820", None, Some("+4930901820")),
            ("+39 06 698 83145", None, Some("+390669883145")),
            ("+39 (0)6 1234 5678", None, Some("+390612345678")),
            ("06 698 83145", Some("IT"), Some("+390669883145")),
            ("202-555-0143", Some("US"), Some("+12025550143")),
            ("12025550143", Some("us"), Some("+12025550143")),
            ("030 901820", Some("DE"), Some("+4930901820")),
            ("0049 30 901820", Some("DE"), Some("+4930901820")),
            ("011 49 30 901820", Some("US"), Some("+4930901820")),
            ("+44 20 7946 0958", Some("DE"), Some("+442079460958")),
            ("+1 202 555 0143 x5", None, Some("+12025550143")),
            ("1-800-FLOWERS ext. 12", Some("US"), Some("+18003569377")),
            ("＋４９　３０　９０１８２０", None, Some("+4930901820")),
            ("٠٣٠ ٩٠١٨٢٠", Some("DE"), Some("+4930901820")),
            ("030 901820", None, None),
            ("12025550143", None, None),
            ("anonymous", None, None),
            ("anonymous", Some("US"), None),
            ("sip:alice@example.com", None, None),
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
    fn the_trunk_prefix_of_the_default_region_is_that_of_its_own_numbers_alone() {
        for (text, region, expected) in [
            ("+49 151 23456789", "US", "+4915123456789"),
            ("+86 138 0013 8000", "US", "+8613800138000"),
            ("+44 121 234 5678", "US", "+441212345678"),
            ("011 60 12-345 6789", "US", "+60123456789"),
            ("+39 06 698 83145", "DE", "+390669883145"),
            ("+380 44 123 4567", "RU", "+380441234567"),
            ("8 800 555-35-35", "RU", "+78005553535"),
        ] {
            assert_eq!(e164(text, Some(region)).as_deref(), Some(expected), "{text} {region}");
        }
    }

    #[test]
    fn a_context_before_its_number_is_all_there_is() {
        for (text, expected) in [
            (";phone-context=+12025550143;tel:5", Some("+12025550143")),
            ("5;phone-context=+12025550143;tel:", Some("+12025550143")),
            ("5;phone-context=+1;tel:2025550143", None),
            (";phone-context=tel:", None),
            ("tel:;phone-context=tel:", None),
            ("tel:2025550143;phone-context=+1;tel:5", Some("+12025550143")),
        ] {
            assert_eq!(e164(text, None).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_the_library_takes_for_a_number_alone_is_none() {
        for (text, expected) in [
            ("15 ,134", None),
            ("00;44011", None),
            ("1 15 x134", Some("+1115")),
            ("115 x134", Some("+1115")),
            ("15", Some("+115")),
            ("15 x134", Some("+115")),
            (")CALL;isub=)15,, 0143", None),
            (",,44int0143011;isub=0143", None),
            ("15～134", Some("+115")),
            ("+1 (202～) 555～0143", Some("+1202555")),
            ("+1 (202~) 555~0143", Some("+1202555")),
        ] {
            assert_eq!(e164(text, Some("US")).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn regions_are_two_letters() {
        assert!(Region::parse(" de ").is_some());
        for wrong in ["", "D", "DEU", "ZZ", "AQ", "é"] {
            assert_eq!(Region::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_release_of_the_metadata_is_that_of_the_library() {
        // Its README says which release a version carries.
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains("name = \"rlibphonenumber\"\nversion = \"2.2.15\"\n"));
        assert_eq!(METADATA_RELEASE, "9.0.42");
    }

    proptest! {
        #[test]
        fn e164_stays_as_it_is(area in 201_u32..990, line in 2_000_000_u32..9_999_999) {
            if let Some(number) = e164(&format!("{area}{line}"), Some("US")) {
                prop_assert_eq!(e164(&number, None), Some(number.clone()));
            }
        }

        #[test]
        fn the_short_way_agrees_with_the_library(text in "\\+1([ .()-]{0,3}[0-9]){9,11}[ .()-]?", plain in "\\+1[0-9]{10}") {
            for text in [text, plain] {
                for region in [None, Some("US"), Some("BS"), Some("IT"), Some("AR")] {
                    let region = region.map(|code| Region::parse(code).unwrap().0);
                    let number = PHONE_NUMBER_UTIL.parse(&text, region).ok().and_then(|number| Number::of(&number));
                    if let Some(short) = north_american(&text) {
                        let number = number.unwrap();
                        prop_assert_eq!(number, Number { country_code: 1, zeros: 0, rest: short }, "{}", &text);
                        prop_assert_eq!(number.national(), short.to_string());
                    }
                }
            }
        }

        #[test]
        fn what_is_none_is_none_to_the_library(
            text in "[a-z@+.:#* ]{0,12}",
            address in "(sips?:|tel:)?[+]?[0-9a-z. x-]{0,8}@[a-z0-9@x. ;=-]{0,8}",
        ) {
            for text in [text, address] {
                if is_none(&text) {
                    for region in [None, Some("US"), Some("AR")] {
                        let region = region.map(|code| Region::parse(code).unwrap().0);
                        prop_assert!(PHONE_NUMBER_UTIL.parse(&text, region).is_err(), "{}", &text);
                    }
                }
            }
        }

        #[test]
        fn a_number_of_the_north_american_plan_is_read_the_short_way(national in "[2-9][0-9]{9}") {
            let spaced = format!("+1 ({}) {}-{}", &national[..3], &national[3..6], &national[6..]);
            for text in [format!("+1{national}"), spaced] {
                prop_assert_eq!(north_american(&text), national.parse().ok());
            }
        }

        #[test]
        fn no_text_makes_it_panic(
            text in ".{0,30}",
            like in r"[+]?[0-9 ()*#;=.-]{0,24}",
            digits in "[+]?[0-9]{0,40}",
            parts in "(tel:|;phone-context=|;ext=|;isub=|\\+|0|1|49|x|\n|é|٣|ａ|20255501| ){0,12}",
        ) {
            for text in [text, like, digits, parts] {
                for region in [None, Some("US"), Some("IT"), Some("AR")] {
                    e164(&text, region);
                }
            }
        }
    }
}
