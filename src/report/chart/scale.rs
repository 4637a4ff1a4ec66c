//! Round numbers for axes, and the texts of numbers, durations and moments.
//!
//! All texts have fixed decimals, so the same data gives the same bytes on every machine.

use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, Timelike};

/// What the numbers of an axis are, as far as it changes ticks and texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit<'a> {
    None,
    Percent,
    /// Parts of one, shown in percent.
    Share,
    Seconds,
    /// Any other, written behind the number.
    Named(&'a str),
}

impl<'a> Unit<'a> {
    /// Tells the unit by its name.
    pub(super) fn of(name: Option<&'a str>) -> Self {
        match name.map(str::trim) {
            None | Some("") => Self::None,
            Some("%" | "percent") => Self::Percent,
            Some("share" | "ratio" | "fraction") => Self::Share,
            Some("s" | "sec" | "second" | "seconds") => Self::Seconds,
            Some(other) => Self::Named(other),
        }
    }

    /// Says whether two values make one: counts do, shares and durations do not.
    pub(super) fn adds_up(self) -> bool {
        matches!(self, Self::None | Self::Named(_))
    }

    /// Writes a value as short as it goes inside a chart: a named unit stands at the axis.
    pub(super) fn short(self, value: f64) -> String {
        match self {
            Self::Named(_) => grouped(value),
            other => other.text(value),
        }
    }

    /// Writes a value with its unit.
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::None => grouped(value),
            Self::Percent => format!("{}%", grouped(value)),
            Self::Share => format!("{}%", grouped((value * 1e5).round() / 1e3)),
            Self::Seconds => duration(value),
            Self::Named(name) => format!("{} {name}", grouped(value)),
        }
    }
}

const SECOND_STEPS: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0, 21_600.0,
    43_200.0, 86_400.0, 172_800.0, 432_000.0,
];

/// Returns the smallest round step that cuts a span into at most about so many parts.
pub(super) fn step(span: f64, parts: f64, unit: Unit<'_>) -> f64 {
    let least = (span / parts).max(1e-300);
    if unit == Unit::Seconds
        && least > 0.5
        && let Some(step) = SECOND_STEPS.iter().find(|step| **step >= least)
    {
        return *step;
    }
    let power = 10_f64.powi(least.log10().floor().clamp(-300.0, 300.0) as i32);
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * power >= least * 0.999_999).unwrap_or(10.0);
    factor * power
}

/// Returns how far to go from a value to make room about it: a half, or what still changes a large one.
pub(super) fn margin(value: f64) -> f64 {
    (value.abs() * 1e-6).max(0.5)
}

/// Returns where a value lies between two ends, 0 to 1; in the middle where there is nothing between them.
pub(super) fn share(value: f64, from: f64, to: f64) -> f64 {
    // In quarters, since the distance of the largest floats is no float.
    let share = (value / 4.0 - from / 4.0) / (to / 4.0 - from / 4.0);
    if share.is_finite() { share } else { 0.5 }
}

/// A linear axis: from, to, and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: Vec<f64>,
    step: f64,
}

impl Linear {
    /// Makes the axis of values, both ends on a tick.
    pub(super) fn new(smallest: f64, largest: f64, parts: f64, unit: Unit<'_>) -> Self {
        let largest = if largest > smallest { largest } else { smallest + margin(smallest) * 2.0 };
        let step = step(largest - smallest, parts, unit);
        let (first, last) = ((smallest / step).floor(), (largest / step).ceil());
        let count = (last - first).clamp(1.0, 50.0) as usize;
        let ticks: Vec<f64> = (0..=count).map(|index| (first + index as f64) * step).collect();
        Self { from: first * step, to: (first + count as f64) * step, ticks, step }
    }

    /// Returns where a value lies between the ends, 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        share(value, self.from, self.to).clamp(0.0, 1.0)
    }

    /// Writes a tick with as many decimals as the step has.
    pub(super) fn label(&self, value: f64, unit: Unit<'_>) -> String {
        let largest = self.from.abs().max(self.to.abs());
        match unit {
            Unit::Seconds => tick_duration(value, self.step),
            Unit::Percent => format!("{}%", plain_tick(value, self.step, largest)),
            Unit::Share => format!("{}%", plain_tick(value * 100.0, self.step * 100.0, largest * 100.0)),
            Unit::None | Unit::Named(_) => plain_tick(value, self.step, largest),
        }
    }
}

fn plain_tick(value: f64, step: f64, largest: f64) -> String {
    let (divisor, suffix) = match largest {
        largest if largest >= 1e15 => return format!("{value:e}"),
        largest if largest >= 1e9 => (1e9, " bn"),
        largest if largest >= 1e6 => (1e6, " M"),
        largest if largest >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = decimals_of(step / divisor);
    if decimals > 6 {
        return format!("{value:.2e}");
    }
    format!("{}{suffix}", group(&format!("{:.decimals$}", value / divisor)))
}

/// Counts the decimals that a round step needs.
fn decimals_of(step: f64) -> usize {
    (0..12)
        .find(|&decimals| {
            let scaled = step * 10_f64.powi(decimals);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1e-300)
        })
        .unwrap_or(12) as usize
}

fn tick_duration(seconds: f64, step: f64) -> String {
    if seconds == 0.0 {
        return "0".to_owned();
    }
    if step >= 60.0 {
        return duration(seconds);
    }
    let decimals = decimals_of(step).min(6);
    format!("{} s", group(&format!("{seconds:.decimals$}")))
}

/// Puts commas between the thousands of a plain number.
pub(in crate::report) fn group(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').and_then(|point| digits.split_at_checked(point)).unwrap_or((digits, ""));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// Writes a number for reading: thousands in groups; whole numbers whole, others with at most three decimals, small ones with
/// three digits that count.
pub(in crate::report) fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_owned()
        } else if value > 0.0 {
            "∞".to_owned()
        } else {
            "-∞".to_owned()
        };
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs();
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    if value.fract() == 0.0 {
        return group(&format!("{value:.0}"));
    }
    let decimals = match size {
        size if size >= 1_000.0 => 1,
        size if size >= 100.0 => 2,
        size if size >= 0.1 => 3,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // Rounding may leave nothing but a sign.
    if text.trim_start_matches('-') == "0" { "0".to_owned() } else { group(text) }
}

/// Writes seconds in the two largest units that they have.
pub(super) fn duration(seconds: f64) -> String {
    let size = seconds.abs();
    let sign = if seconds < 0.0 { "-" } else { "" };
    if !(60.0..1e12).contains(&size) {
        return format!("{} s", grouped(seconds));
    }
    let total = size.round() as u64;
    let (days, hours, minutes, rest) = (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60);
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{sign}{} {one}", group(&large.to_string())),
        small => format!("{sign}{} {one} {small} {other}", group(&large.to_string())),
    };
    match (days, hours) {
        (0, 0) => two(minutes, "min", rest, "s"),
        (0, _) => two(hours, "h", minutes, "min"),
        _ => two(days, "d", hours, "h"),
    }
}

/// Returns the local time of seconds since the epoch, as far as calendars go.
fn local(seconds: f64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds.floor() as i64, 0).map(|instant| instant.naive_utc())
}

/// Writes a local moment: the date, and the time where it is not midnight.
pub(super) fn moment(seconds: f64) -> String {
    match local(seconds) {
        Some(time) if time.num_seconds_from_midnight() == 0 => time.format("%-d %b %Y").to_string(),
        Some(time) if time.second() == 0 => time.format("%-d %b %Y %H:%M").to_string(),
        Some(time) => time.format("%-d %b %Y %H:%M:%S").to_string(),
        None => grouped(seconds),
    }
}

/// A step along a calendar.
#[derive(Debug, Clone, Copy)]
enum Calendar {
    Seconds(i64),
    Days(u64),
    Months(u32),
}

const CALENDAR: [Calendar; 22] = [
    Calendar::Seconds(1),
    Calendar::Seconds(10),
    Calendar::Seconds(60),
    Calendar::Seconds(300),
    Calendar::Seconds(900),
    Calendar::Seconds(1_800),
    Calendar::Seconds(3_600),
    Calendar::Seconds(7_200),
    Calendar::Seconds(10_800),
    Calendar::Seconds(21_600),
    Calendar::Seconds(43_200),
    Calendar::Days(1),
    Calendar::Days(2),
    Calendar::Days(7),
    Calendar::Days(14),
    Calendar::Months(1),
    Calendar::Months(3),
    Calendar::Months(6),
    Calendar::Months(12),
    Calendar::Months(60),
    Calendar::Months(120),
    Calendar::Months(1_200),
];

/// Returns at most `most` ticks on whole hours, days, weeks or months, with their texts.
pub(super) fn time_ticks(from: f64, to: f64, most: usize) -> Vec<(f64, String)> {
    let span = to - from;
    let step = CALENDAR
        .into_iter()
        .find(|step| {
            let seconds = match step {
                Calendar::Seconds(seconds) => *seconds as f64,
                Calendar::Days(days) => *days as f64 * 86_400.0,
                Calendar::Months(months) => f64::from(*months) * 30.4 * 86_400.0,
            };
            span / seconds <= most.saturating_sub(1) as f64
        })
        .unwrap_or(Calendar::Months(12_000));
    let Some(mut time) = local(from).and_then(|time| floor(time, step)) else { return Vec::new() };
    let mut ticks = Vec::new();
    // A bound, whatever the calendar does.
    for _ in 0..most + 3 {
        let seconds = time.and_utc().timestamp() as f64;
        if seconds > to {
            break;
        }
        if seconds >= from {
            let is_midnight = time.num_seconds_from_midnight() == 0;
            let form = match step {
                Calendar::Seconds(seconds) if seconds < 60 && !is_midnight => "%H:%M:%S",
                Calendar::Seconds(_) if !is_midnight => "%H:%M",
                Calendar::Months(months) if months >= 12 => "%Y",
                Calendar::Months(_) => "%b %Y",
                Calendar::Seconds(_) | Calendar::Days(_) => "%-d %b",
            };
            ticks.push((seconds, time.format(form).to_string()));
        }
        let next = match step {
            Calendar::Seconds(seconds) => time.checked_add_signed(chrono::TimeDelta::seconds(seconds)),
            Calendar::Days(days) => time.checked_add_days(Days::new(days)),
            Calendar::Months(months) => time.checked_add_months(Months::new(months)),
        };
        let Some(next) = next else { break };
        time = next;
    }
    ticks
}

/// Goes back to the last whole step.
fn floor(time: NaiveDateTime, step: Calendar) -> Option<NaiveDateTime> {
    let midnight = time.date().and_hms_opt(0, 0, 0)?;
    match step {
        Calendar::Seconds(seconds) => {
            let whole = i64::from(time.num_seconds_from_midnight()) / seconds * seconds;
            midnight.checked_add_signed(chrono::TimeDelta::seconds(whole))
        }
        // Weeks begin on Monday.
        Calendar::Days(days) if days >= 7 => {
            midnight.checked_sub_days(Days::new(time.weekday().num_days_from_monday().into()))
        }
        Calendar::Days(_) => Some(midnight),
        Calendar::Months(months) => {
            let count = time.year() * 12 + time.month0() as i32;
            let whole = count.div_euclid(months as i32) * months as i32;
            let month = u32::try_from(whole.rem_euclid(12)).ok()? + 1;
            chrono::NaiveDate::from_ymd_opt(whole.div_euclid(12), month, 1)?.and_hms_opt(0, 0, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_round() {
        for (span, parts, expected) in
            [(100.0, 5.0, 20.0), (97.0, 5.0, 20.0), (7.0, 5.0, 2.0), (0.37, 5.0, 0.1), (1.1e6, 5.0, 250_000.0)]
        {
            assert_eq!(step(span, parts, Unit::None), expected, "{span}");
        }
        assert_eq!(step(500.0, 5.0, Unit::Seconds), 120.0);
        assert_eq!(step(4.0 * 3_600.0, 5.0, Unit::Seconds), 3_600.0);
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        let labels = |smallest, largest, unit| {
            let axis = Linear::new(smallest, largest, 5.0, unit);
            axis.ticks.iter().map(|tick| axis.label(*tick, unit)).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.0, 9.0, Unit::None), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(0.0, 0.9, Unit::None), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.0, 98.0, Unit::Percent), ["0%", "20%", "40%", "60%", "80%", "100%"]);
        assert_eq!(labels(0.0, 0.98, Unit::Share), ["0%", "20%", "40%", "60%", "80%", "100%"]);
        assert_eq!(Unit::of(Some("share")).text(0.576_923), "57.692%");
        assert_eq!(labels(0.0, 23_000.0, Unit::None), ["0", "5k", "10k", "15k", "20k", "25k"]);
        assert_eq!(labels(0.0, 280.0, Unit::Seconds), ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]);
        assert_eq!(labels(-3.0, 4.0, Unit::None), ["-4", "-2", "0", "2", "4"]);
    }

    #[test]
    fn numbers_are_written_for_reading() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (12_345.0, "12,345"),
            (-1_234_567.0, "-1,234,567"),
            (0.307_692_307, "0.308"),
            (1_234.567, "1,234.6"),
            (99.9999, "100"),
            (0.000_01, "1.000e-5"),
            (1e18, "1.000e18"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(grouped(value), text);
        }
        for (seconds, text) in [
            (43.811, "43.811 s"),
            (60.0, "1 min"),
            (3_725.0, "1 h 2 min"),
            (90_061.0, "1 d 1 h"),
            (-75.0, "-1 min 15 s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn times_get_ticks_on_whole_steps() {
        let day = 86_400.0;
        let texts = |from: f64, to: f64| time_ticks(from, to, 8).into_iter().map(|tick| tick.1).collect::<Vec<_>>();
        // 2026-10-01 is day 20,727.
        let start = 20_727.0 * day;
        assert_eq!(texts(start, start + 4.0 * day), ["1 Oct", "2 Oct", "3 Oct", "4 Oct", "5 Oct"]);
        assert_eq!(texts(start, start + 30.0 * day), ["5 Oct", "12 Oct", "19 Oct", "26 Oct"]);
        assert_eq!(texts(start, start + 150.0 * day), ["Oct 2026", "Nov 2026", "Dec 2026", "Jan 2027", "Feb 2027"]);
        assert_eq!(texts(start, start + day), ["1 Oct", "06:00", "12:00", "18:00", "2 Oct"]);
        assert_eq!(moment(start + 3_660.0), "1 Oct 2026 01:01");
    }

    proptest! {
        #[test]
        fn an_axis_holds_its_values_and_has_few_ticks(one in -1e300_f64..1e300, other in -1e300_f64..1e300) {
            let (smallest, largest) = if one < other { (one, other) } else { (other, one) };
            let axis = Linear::new(smallest, largest, 5.0, Unit::None);
            prop_assert!(axis.from <= smallest && axis.to >= largest, "{axis:?}");
            prop_assert!((2..=9).contains(&axis.ticks.len()), "{axis:?}");
        }

        #[test]
        fn any_moments_have_at_most_as_many_ticks_as_asked_for(from in any::<f64>(), span in any::<f64>()) {
            prop_assert!(time_ticks(from, from + span.abs(), 8).len() <= 11);
            let _ = (moment(from), duration(from), grouped(from));
        }
    }
}
