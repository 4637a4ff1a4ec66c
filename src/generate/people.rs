//! The customers: who contacts the account, from which number, and what the account knows of them.
//!
//! A customer is a function of the seed and a number, so the same person has the same name, address and phone in every
//! session. Most contact once; some come back, mostly within two days, and more often when they got nowhere.

use super::random::{Purpose, Random};
use super::text::push_padded;
use super::vocabulary::{AREA_CODES, COUNTRIES, NAMES, Name, TIERS};

/// Customers who contact all the time (firms, carers) have numbers from here on.
pub(super) const REGULARS: u64 = 1 << 62;
/// How many of them there are.
pub(super) const REGULAR_COUNT: u64 = 60;

/// What the telephone network says about where a contact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A number in E.164.
    Number,
    /// Number withheld.
    Anonymous,
    /// A SIP address.
    Sip,
    /// Nothing at all.
    Missing,
}

/// A person who contacts the account.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) line: Line,
    /// The number, SIP address or `anonymous`; empty where there is none.
    pub(super) phone_number: String,
    /// Country by two letters.
    pub(super) region: &'static str,
    pub(super) name: &'static Name,
    /// E-mail address.
    pub(super) email: String,
    pub(super) tier: &'static str,
    /// Number of the customer in the account's own books.
    pub(super) number: u64,
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.ascii)
    }
}

/// Describes the customer of this number.
pub(super) fn customer(seed: u64, number: u64) -> Customer {
    let mut random = Random::new(seed, Purpose::Customer, number);
    let name = &NAMES[if random.chance(900_000) { random.skewed_below(32) } else { random.below(48) } as usize];
    let line = match random.below(1000) {
        0..=14 => Line::Anonymous,
        15..=20 => Line::Sip,
        21..=29 => Line::Missing,
        _ => Line::Number,
    };
    let mut phone_number = String::with_capacity(24);
    let mut region = "US";
    match line {
        Line::Number => region = push_phone_number(&mut phone_number, &mut random),
        Line::Anonymous => phone_number.push_str("anonymous"),
        Line::Sip => {
            phone_number.push_str("sip:");
            push_padded(&mut phone_number, 1000 + random.below(9000), 4);
            phone_number.push_str("@pbx.example.com");
        }
        Line::Missing => {}
    }
    let mut email = String::with_capacity(40);
    email.push_str(name.ascii);
    push_padded(&mut email, random.below(10_000), 1);
    email.push_str(random.pick(&["@example.com", "@example.org", "@mail.example.net"]));
    let tier = TIERS[random.skewed_below(TIERS.len() as u64) as usize];
    Customer { line, phone_number, region, name, email, tier, number: 10_000_000 + random.below(90_000_000) }
}

/// Appends a number in E.164 and returns the country it belongs to.
fn push_phone_number(out: &mut String, random: &mut Random) -> &'static str {
    if random.chance(930_000) {
        out.push_str("+1");
        push_padded(out, AREA_CODES[random.skewed_below(AREA_CODES.len() as u64) as usize].into(), 3);
        // Exchanges start with 2 to 9 and do not end in 11.
        let exchange = 200 + random.below(800);
        push_padded(out, if exchange % 100 == 11 { exchange + 1 } else { exchange }, 3);
        push_padded(out, random.below(10_000), 4);
        return "US";
    }
    if random.chance(430_000) {
        out.push_str(random.pick(&["+1416", "+1514", "+1604"]));
        push_padded(out, 2_000_000 + random.below(8_000_000), 7);
        return "CA";
    }
    let mut share = random.below(100);
    for (region, calling_code, digits, part) in &COUNTRIES {
        if share < *part {
            out.push_str(calling_code);
            let first = 10_u64.pow(digits - 1);
            push_padded(out, 2 * first + random.below(7 * first), *digits as usize);
            return region;
        }
        share -= part;
    }
    "US"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_customers_have_a_number_in_e164_and_a_few_have_none() {
        let mut numbers = 0;
        for number in 0..5_000 {
            let customer = customer(1, number);
            match customer.line {
                Line::Number => {
                    let digits = customer.phone_number.strip_prefix('+').unwrap();
                    assert!((10..=15).contains(&digits.len()), "{digits}");
                    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
                    numbers += 1;
                }
                Line::Missing => assert_eq!(customer.phone_number, ""),
                Line::Anonymous | Line::Sip => assert!(!customer.phone_number.starts_with('+')),
            }
            assert!(customer.email.is_ascii() && customer.email.contains('@'));
        }
        assert!((4_700..4_950).contains(&numbers), "{numbers}");
    }

    #[test]
    fn a_country_has_shares_of_a_hundred() {
        assert_eq!(COUNTRIES.iter().map(|country| country.3).sum::<u64>(), 100);
    }
}
