//! Values of fields in Data, by kind: money as text, numbers that are text in one row, JSON inside strings.

use super::Content;
use crate::generate::calendar::DAY_US;
use crate::generate::random::Random;
use crate::generate::text::{JsonText, month_day, push_day, push_id, push_instant, push_number, push_padded};
use crate::generate::vocabulary::{GOODS, NOTES, PLACES, Value, WORDS};
use crate::json::push_json_string_as;

impl Content<'_> {
    /// Appends a value of this kind.
    pub(super) fn value(&mut self, value: Value, random: &mut Random) {
        let escaping = self.json.escaping;
        let out = &mut *self.json.out;
        match value {
            Value::Money => {
                let cents = random.skewed_below(9_000_000);
                match random.below(4) {
                    0 => push_money(out, cents, "\"$", ",", "\""),
                    1 => push_money(out, cents, "\"USD ", "", "\""),
                    _ => push_money(out, cents, "\"", "", "\""),
                }
            }
            Value::MoneyMixed => {
                let cents = random.skewed_below(200_000);
                let quote = if random.below(3) == 0 { "" } else { "\"" };
                push_money(out, cents, quote, "", quote);
            }
            Value::Count => push_number(out, random.skewed_below(50)),
            Value::CountText => push_quoted(out, |out| push_number(out, random.skewed_below(400))),
            Value::CountMixed => {
                let number = random.skewed_below(20);
                if random.below(3) == 0 {
                    push_quoted(out, |out| push_number(out, number));
                } else {
                    push_number(out, number);
                }
            }
            Value::Flag => out.push_str(random.pick(&["true", "false"])),
            Value::FlagMixed => {
                out.push_str(
                    random.pick(&["true", "true", "true", "false", "false", "\"yes\"", "\"no\"", "\"Y\"", "\"N\""]),
                );
            }
            Value::Code => push_quoted(out, |out| {
                out.push_str(random.pick(&["R-", "ORD-", "T"]));
                push_padded(out, random.below(1_000_000), 7);
            }),
            Value::Day => push_quoted(out, |out| {
                push_day(out, self.plan.start_us + (random.below(120) as i64 - 30) * DAY_US);
            }),
            Value::Instant => {
                let earlier_us = random.skewed_below(40_000_000_000) as i64;
                push_quoted(out, |out| push_instant(out, self.plan.start_us - earlier_us));
            }
            Value::Word => push_json_string_as(out, random.pick(&WORDS), escaping),
            Value::Place => push_json_string_as(out, random.pick(&PLACES), escaping),
            Value::EmbeddedObject => {
                let mut inner = String::with_capacity(96);
                let mut json = JsonText { out: &mut inner, escaping };
                json.out.push('{');
                json.string("city", random.pick(&PLACES));
                json.string("zip", if random.below(2) == 0 { "02139" } else { "10001" });
                json.number("floor", random.below(30));
                json.close();
                push_json_string_as(out, &inner, escaping);
            }
            Value::EmbeddedList => {
                let mut inner = String::with_capacity(96);
                inner.push('[');
                for place in 0..=random.below(2) {
                    inner.push_str(if place > 0 { ",{" } else { "{" });
                    let mut json = JsonText { out: &mut inner, escaping };
                    json.string("sku", random.pick(&GOODS));
                    json.number("quantity", 1 + random.below(4));
                    json.close();
                }
                inner.push(']');
                push_json_string_as(out, &inner, escaping);
            }
            Value::Numbers => {
                out.push('[');
                for place in 0..random.below(4) {
                    if place > 0 {
                        out.push(',');
                    }
                    push_number(out, random.below(10));
                }
                out.push(']');
            }
            Value::Tags => {
                out.push('[');
                for place in 0..random.below(4) {
                    if place > 0 {
                        out.push(',');
                    }
                    push_json_string_as(out, random.pick(&WORDS), escaping);
                }
                out.push(']');
            }
            Value::Fraction => {
                out.push_str("0.");
                push_padded(out, random.below(1000), 3);
            }
            Value::Note => push_json_string_as(out, random.pick(&NOTES), escaping),
            Value::NullOrId => {
                if random.below(3) == 0 {
                    push_quoted(out, |out| push_id(out, "028", month_day(self.plan.start_us), random.next()));
                } else {
                    out.push_str("null");
                }
            }
        }
    }
}

fn push_quoted(out: &mut String, push: impl FnOnce(&mut String)) {
    out.push('"');
    push(out);
    out.push('"');
}

/// Appends cents as `12,345.60` with what goes before and after, and between thousands.
fn push_money(out: &mut String, cents: u64, before: &str, between: &str, after: &str) {
    out.push_str(before);
    let whole = cents / 100;
    if whole >= 1000 {
        push_number(out, whole / 1000);
        out.push_str(between);
        push_padded(out, whole % 1000, 3);
    } else {
        push_number(out, whole);
    }
    out.push('.');
    push_padded(out, cents % 100, 2);
    out.push_str(after);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_decimals_and_thousands_where_asked() {
        let mut out = String::new();
        push_money(&mut out, 8_098_800, "$", ",", "");
        push_money(&mut out, 49_999, " ", ",", "");
        push_money(&mut out, 5, " ", ",", "");
        assert_eq!(out, "$80,988.00 499.99 0.05");
    }
}
