//! Finds phone numbers by their form.
//!
//! Digits with what stands between them are cut into groups; a plus, brackets, a trunk 0, the pattern of the groups or the
//! numbering plans then tell whether they are a number. Dates, amounts, addresses of machines and ids are told by their own
//! forms first.

use rlibphonenumber::PHONE_NUMBER_UTIL;

use super::key::Key;

/// Digits of the shortest number that is told by its form.
pub(super) const FEWEST_DIGITS: usize = 7;
/// Digits of the longest number that there can be.
const MOST_DIGITS: usize = 15;
/// Digits of the longest number behind a plus: an exit code or a trunk 0 may stand there that does not belong.
const LONGEST_DIGITS: usize = MOST_DIGITS + 2;
/// The smallest number of a numeric column that is hidden.
pub(super) const SMALLEST_NUMBER: f64 = 1e6;
/// Characters between two groups.
const MOST_BETWEEN: usize = 4;

/// The zeros of the scripts that have ten digits in a row.
const ZEROS: [u32; 38] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x1fbf0,
];

/// Returns the value of a digit of any script.
fn digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    if code < 0x80 {
        return character.to_digit(10).map(|digit| digit as u8);
    }
    // Mathematical digits stand in five alphabets.
    if (0x1d7ce..0x1d800).contains(&code) {
        return Some(((code - 0x1d7ce) % 10) as u8);
    }
    ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)).map(|zero| (code - zero) as u8)
}

/// Counts the digits of a text.
pub(super) fn digits(text: &str) -> usize {
    text.chars().filter_map(digit).count()
}

/// Returns what is shown of a number; stars of one that is masked already count as digits.
pub(super) fn token(text: &str) -> String {
    let digits: Vec<Option<u8>> = text.chars().filter(|c| *c == '*' || digit(*c).is_some()).map(digit).collect();
    match digits.as_slice() {
        [.., Some(one), Some(other)] if digits.len() >= FEWEST_DIGITS => format!("[phone ··{one}{other}]"),
        _ => "[phone]".to_owned(),
    }
}

fn is_plus(character: char) -> bool {
    matches!(character, '+' | '＋' | '﹢' | '⁺')
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Returns whether a character may stand between the digits of a number.
fn is_between(character: char) -> bool {
    is_invisible(character)
        || is_blank(character)
        || is_dash(character)
        || matches!(character, '.' | '．' | '(' | ')' | '（' | '）' | '/')
}

fn is_blank(character: char) -> bool {
    character != '\n' && character != '\r' && character.is_whitespace()
}

fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{30fc}')
}

fn is_bracket(character: char) -> bool {
    matches!(character, '(' | ')' | '（' | '）')
}

/// Digits without anything between them.
#[derive(Debug, Clone)]
struct Group {
    start: usize,
    end: usize,
    digits: String,
    /// What stands before it since the last group; of the first what opens it.
    before: String,
}

/// Hides all numbers; none where there are none.
pub(super) fn hide(text: &str, key: Key) -> Option<String> {
    if digits(text) < FEWEST_DIGITS {
        return None;
    }
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let (mut copied, mut place) = (0, 0);
    while place < characters.len() {
        let Some((groups, next)) = run(&characters, place) else {
            place += 1;
            continue;
        };
        for (start, end) in numbers(&characters, &groups, key) {
            out.extend(characters.get(copied..start).unwrap_or_default());
            let number: String = characters.get(start..end).unwrap_or_default().iter().collect();
            out.push_str(&token(&number));
            copied = extension_end(&characters, end);
        }
        place = next.max(place + 1).max(copied);
    }
    if copied == 0 {
        return None;
    }
    out.extend(characters.get(copied..).unwrap_or_default());
    Some(out)
}

/// Reads the groups that begin here, and where they end.
fn run(text: &[char], from: usize) -> Option<(Vec<Group>, usize)> {
    let first = *text.get(from)?;
    let encoded_plus = first == '%'
        && text.get(from + 1) == Some(&'2')
        && text.get(from + 2).is_some_and(|c| c.eq_ignore_ascii_case(&'b'))
        && text.get(from + 3).copied().and_then(digit).is_some();
    let mut place = from;
    let mut before = String::new();
    if encoded_plus {
        place += 3;
        before.push('+');
    } else if is_plus(first) || matches!(first, '(' | '（') {
        while let Some(&opening) = text.get(place).filter(|c| is_plus(**c) || is_between(**c)) {
            before.push(if is_plus(opening) { '+' } else { opening });
            place += 1;
            if before.chars().count() > MOST_BETWEEN {
                return None;
            }
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    loop {
        let start = place;
        let mut digits = String::new();
        while let Some(value) = text.get(place).copied().and_then(digit) {
            digits.push(char::from(b'0' + value));
            place += 1;
        }
        if digits.is_empty() {
            break;
        }
        let start = if groups.is_empty() { from } else { start };
        groups.push(Group { start, end: place, digits, before: std::mem::take(&mut before) });
        let mut ahead = place;
        while let Some(&between) = text.get(ahead).filter(|c| is_between(**c)) {
            before.push(between);
            ahead += 1;
        }
        let is_next = text.get(ahead).copied().and_then(digit).is_some();
        if !is_next || before.chars().count() > MOST_BETWEEN {
            break;
        }
        place = ahead;
    }
    let end = groups.last()?.end;
    Some((groups, end))
}

/// Returns where the numbers among the groups of a run stand.
fn numbers(text: &[char], groups: &[Group], key: Key) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    if is_uuid_shaped(groups) {
        return found;
    }
    let mut first = 0;
    while first < groups.len() {
        // Each group has a digit, so that longer ones are none: all groups of a long run would take the third power of their count.
        let most = groups.len().min(first + LONGEST_DIGITS);
        let number = (first + 1..=most).rev().find(|&last| {
            let Some(slice) = groups.get(first..last) else { return false };
            is_cut_well(groups, first, last) && is_free(text, slice) && is_number(slice, key)
        });
        match number {
            Some(last) => {
                if let Some([one, .., other]) = groups.get(first..last) {
                    found.push((one.start, other.end));
                } else if let Some([only]) = groups.get(first..last) {
                    found.push((only.start, only.end));
                }
                first = last;
            }
            None => first += 1,
        }
    }
    found
}

fn is_uuid_shaped(groups: &[Group]) -> bool {
    groups.iter().map(|group| group.digits.len()).eq([8, 4, 4, 4, 12])
}

/// Returns whether a part of a run may be a number of its own: it begins and ends at blanks, or has a form that needs no
/// blanks.
fn is_cut_well(groups: &[Group], first: usize, last: usize) -> bool {
    let blank = |index: usize| {
        groups.get(index).is_none_or(|group| group.before.chars().any(|c| is_blank(c) || c == '/' || is_bracket(c)))
    };
    let is_free = (first == 0 || blank(first)) && (last == groups.len() || blank(last));
    let lengths: Vec<usize> =
        groups.get(first..last).unwrap_or_default().iter().map(|group| group.digits.len()).collect();
    is_free || matches!(lengths.as_slice(), [3, 3, 4] | [1, 3, 3, 4] | [10 | 11])
}

/// Returns whether the digits do not touch letters, which would make them part of an id or a word.
fn is_free(text: &[char], groups: &[Group]) -> bool {
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return false };
    if first.before.contains('+') {
        return text.get(last.end).is_none_or(|next| !next.is_alphabetic() || extension_end(text, last.end) > last.end);
    }
    let after = text.get(last.end..).unwrap_or_default();
    if extension_end(text, last.end) == last.end {
        let joined = after.iter().take_while(|c| is_dash(**c) || **c == '_').count();
        let follower = after.get(joined);
        if follower.is_some_and(|c| c.is_alphabetic()) || after.first() == Some(&'_') {
            return false;
        }
        // A time, a decimal or a percentage goes on.
        let goes_on = after.get(1).copied().and_then(digit).is_some();
        if matches!(after.first(), Some(':' | ',')) && goes_on || after.first() == Some(&'%') {
            return false;
        }
    }
    let mut place = first.start;
    let before = |place: usize| place.checked_sub(1).and_then(|place| text.get(place)).copied();
    if let (Some(':' | ','), Some(second)) = (before(place), place.checked_sub(2).and_then(|place| text.get(place)))
        && digit(*second).is_some()
    {
        return false;
    }
    if matches!(before(place), Some('$' | '€' | '£' | '¥' | '#')) {
        return false;
    }
    let mut word = String::new();
    while let Some(character) = before(place).filter(|c| c.is_alphanumeric() || is_dash(*c) || *c == '_') {
        word.insert(0, character);
        place -= 1;
        if word.len() > 80 {
            return false;
        }
    }
    let Some(letters) = word.strip_suffix(is_dash) else {
        return !word.chars().any(char::is_alphanumeric) || word.chars().all(|c| digit(c).is_some());
    };
    if !letters.chars().any(char::is_alphabetic) {
        return true;
    }
    const CALLS: [&str; 9] = ["tel", "phone", "telephone", "mobile", "mob", "cell", "fax", "call", "ph"];
    let lengths: Vec<usize> = groups.iter().map(|group| group.digits.len()).collect();
    let plain = letters.chars().all(char::is_alphabetic);
    CALLS.contains(&letters.to_lowercase().as_str())
        || (plain
            && (matches!(lengths.as_slice(), [3, 3, 4] | [1, 3, 3, 4])
                || (lengths.len() > 1 && first.digits.starts_with('0'))))
}

/// Returns whether groups are a phone number.
fn is_number(groups: &[Group], key: Key) -> bool {
    let digits: String = groups.iter().map(|group| group.digits.as_str()).collect();
    let (Some(first), count) = (groups.first(), digits.len()) else { return false };
    let lengths: Vec<usize> = groups.iter().map(|group| group.digits.len()).collect();
    let rest = groups.get(1..).unwrap_or_default();
    let only = |character: char| !rest.is_empty() && rest.iter().all(|group| group.before.chars().eq([character]));
    let is_decimal = lengths.len() == 2 && only('.');
    if first.before.contains('+') {
        let amount = is_decimal && lengths.get(1).is_some_and(|length| *length <= 2);
        return (FEWEST_DIGITS..=LONGEST_DIGITS).contains(&count) && !amount;
    }
    if key.keeps_digits() || !(FEWEST_DIGITS..=MOST_DIGITS).contains(&count) {
        return false;
    }
    if has_date(groups) || is_date_digits(&digits) && lengths.len() <= 2 || is_decimal {
        return false;
    }
    if rest.is_empty() && !first.before.contains(['(', '（']) {
        return is_bare_number(&digits);
    }
    let machine = only('.')
        && lengths.len() == 4
        && groups.iter().all(|group| group.digits.parse::<u16>().is_ok_and(|part| part < 256));
    let thousands = |first_digits: &[usize]| {
        lengths.first().is_some_and(|length| first_digits.contains(length))
            && lengths.iter().skip(1).all(|length| *length == 3)
    };
    let is_amount = (only('.') && thousands(&[1, 2, 3]))
        || (thousands(&[1, 2]) && !first.digits.starts_with('0') && !has_bracket(groups));
    if machine || is_amount {
        return false;
    }
    let trunk = first.digits.starts_with('0') && first.digits.len() >= 2;
    if trunk || has_bracket(groups) {
        return lengths.iter().any(|length| *length > 2) || lengths.iter().all(|length| *length == 2);
    }
    // A slash stands between things; only after an area code it is part of a number.
    if rest.iter().any(|group| group.before.contains('/')) {
        return false;
    }
    let starts = |range: &str| first.digits.starts_with(|c| range.contains(c));
    let known = match lengths.as_slice() {
        [3, 4]
        | [3, 3, 4]
        | [1, 3, 3, 4]
        | [3, 3, 3]
        | [2, 2, 2, 2]
        | [3, 2, 3]
        | [3, 2, 2]
        | [2, 2, 3]
        | [3, 2, 2, 2] => true,
        [2, 3, 2, 2] | [2, 4, 4] | [2, 5, 4] | [3, 4, 4] | [2, 3, 4] | [4, 3, 3] | [3, 3, 2, 2] | [3, 2, 4] => true,
        [4, 4] => starts("35689"),
        [5, 5] => starts("6789"),
        [3, 7] => is_north_american(&digits),
        [2, 2, 2, 2, 2] => true,
        _ => false,
    };
    known || (count >= 11 && is_valid(&digits))
}

fn has_bracket(groups: &[Group]) -> bool {
    groups.iter().any(|group| group.before.contains(is_bracket))
}

/// Returns whether digits without anything between them are a number.
fn is_bare_number(digits: &str) -> bool {
    let trunk = digits.starts_with('0') && !digits.starts_with("00");
    match digits.len() {
        10 if is_north_american(digits) => true,
        10..=12 if trunk => true,
        11 if digits.strip_prefix('1').is_some_and(is_north_american) => true,
        11..=15 => digits.strip_prefix("00").map_or_else(|| is_valid(digits), is_valid),
        _ => false,
    }
}

/// Returns whether ten digits have the form of the North American plan: area and exchange begin with 2 to 9.
fn is_north_american(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.len() == 10 && [0, 3].iter().all(|place| bytes.get(*place).is_some_and(|digit| (b'2'..=b'9').contains(digit)))
}

/// Returns whether digits are a valid international number.
fn is_valid(digits: &str) -> bool {
    let number = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None);
    number.is_ok_and(|number| PHONE_NUMBER_UTIL.is_valid_number(&number))
}

/// Returns whether three groups side by side are a date.
fn has_date(groups: &[Group]) -> bool {
    groups.windows(3).any(|three| {
        let [one, two, three] = three else { return false };
        if two.before != three.before || two.before.chars().count() != 1 {
            return false;
        }
        let value = |group: &Group| group.digits.parse::<u32>().unwrap_or(u32::MAX);
        let year = |group: &Group| group.digits.len() == 4 && (1900..=2100).contains(&value(group));
        let part = |group: &Group, most: u32| group.digits.len() <= 2 && (1..=most).contains(&value(group));
        (year(one) && part(two, 12) && part(three, 31))
            || (year(three) && part(one, 31) && part(two, 31) && (value(one) <= 12 || value(two) <= 12))
    })
}

/// Returns whether digits are a date, or a date and a time: 20261001, 202610011220, 20261001122015.
fn is_date_digits(digits: &str) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<u32>().ok());
    let date = (Some(1900)..=Some(2100)).contains(&part(0, 4))
        && (Some(1)..=Some(12)).contains(&part(4, 6))
        && (Some(1)..=Some(31)).contains(&part(6, 8));
    let time = part(8, 10) < Some(24) && part(10, 12) < Some(60);
    match digits.len() {
        8 => date,
        12 => date && time,
        14 => date && time && part(12, 14) <= Some(60),
        _ => false,
    }
}

/// Returns where the extension ends that follows a number, or where the number ends.
fn extension_end(text: &[char], end: usize) -> usize {
    let mut place = end;
    let skip_blanks = |place: &mut usize| {
        while text.get(*place).is_some_and(|c| is_blank(*c)) {
            *place += 1;
        }
    };
    skip_blanks(&mut place);
    const MARKS: [&str; 9] = [";ext=", ",ext", "extension", "extn", "ext", "durchwahl", "poste", "x", "#"];
    let Some(mark) = MARKS.iter().find(|mark| {
        let here = text.get(place..place + mark.len()).unwrap_or_default();
        here.len() == mark.len() && here.iter().map(|c| c.to_ascii_lowercase()).eq(mark.chars())
    }) else {
        return end;
    };
    place += mark.len();
    while text.get(place).is_some_and(|c| matches!(c, '.' | ':' | '=')) {
        place += 1;
    }
    skip_blanks(&mut place);
    let from = place;
    while text.get(place).copied().and_then(digit).is_some() {
        place += 1;
    }
    let goes_on = is_between_and_digit(text, place);
    let ends = !goes_on && text.get(place).is_none_or(|c| !c.is_alphanumeric());
    if (1..=6).contains(&(place - from)) && ends { place } else { end }
}

/// Returns whether a dash or a dot and a digit stand here: what looks like an extension is a number then.
fn is_between_and_digit(text: &[char], place: usize) -> bool {
    text.get(place).is_some_and(|c| is_dash(*c) || *c == '.') && text.get(place + 1).copied().and_then(digit).is_some()
}
