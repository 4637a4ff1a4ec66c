//! Finds e-mail addresses by their form.

/// Characters that a local part is looked back for where it is unusual.
const FARTHEST: usize = 64;

fn is_at(text: &[char], place: usize) -> Option<usize> {
    match text.get(place)? {
        '@' | '＠' | '﹫' => Some(1),
        '%' if text.get(place + 1..place + 3) == Some(&['4', '0']) => Some(3),
        _ => None,
    }
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_local(character: char) -> bool {
    character.is_alphanumeric() || is_invisible(character) || "._%+-'’!$*^`~&".contains(character)
}

fn is_domain(character: char) -> bool {
    character.is_alphanumeric() || is_invisible(character) || "-._。．｡".contains(character)
}

/// Hides all addresses; none where there are none.
pub(super) fn hide(text: &str) -> Option<String> {
    if !text.contains(['@', '＠', '﹫']) && !text.contains("%40") {
        return None;
    }
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let (mut copied, mut place) = (0, 0);
    while place < characters.len() {
        let found = is_at(&characters, place).and_then(|width| address(&characters, copied, place, place + width));
        match found {
            Some((start, end)) => {
                out.extend(characters.get(copied..start).unwrap_or_default());
                out.push_str("[email]");
                (copied, place) = (end, end);
            }
            None => place += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend(characters.get(copied..).unwrap_or_default());
    Some(out)
}

/// Returns from where to where the address reaches whose @ stands between `at` and `after`; nothing before `first` is part.
fn address(text: &[char], first: usize, at: usize, after: usize) -> Option<(usize, usize)> {
    let spaced = text.get(after) == Some(&' ') && at.checked_sub(1).and_then(|place| text.get(place)) == Some(&' ');
    let from = if spaced { after + 1 } else { after };
    let end = domain_end(text, from)?;
    let domain = text.get(from..end).unwrap_or_default();
    let top = domain.rsplit(|c| ".。．｡".contains(*c)).next().unwrap_or_default();
    let has_top = top.len() < domain.len() && top.len() > 1 && top.iter().all(|c| c.is_alphabetic());
    // With blanks around it an @ is a price or a handle more often.
    if spaced && !has_top {
        return None;
    }
    let before = if spaced { at - 1 } else { at };
    let start = local_start(text, first, before)?;
    Some((start, end))
}

fn domain_end(text: &[char], from: usize) -> Option<usize> {
    if text.get(from) == Some(&'[') {
        // The address of a machine in brackets.
        let length = text.get(from..)?.iter().take(FARTHEST).position(|c| *c == ']')?;
        let inner: String = text.get(from + 1..from + length)?.iter().collect();
        let inner = inner.strip_prefix("IPv6:").unwrap_or(&inner);
        let is_machine = !inner.is_empty() && inner.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
        return is_machine.then_some(from + length + 1);
    }
    let mut end = from + text.get(from..)?.iter().take_while(|c| is_domain(**c)).count();
    while end > from && text.get(end - 1).is_some_and(|c| !c.is_alphanumeric()) {
        end -= 1;
    }
    let domain = text.get(from..end)?;
    let dots = domain.iter().filter(|c| **c == '.').count();
    // A price has digits there: `3 apples@2.50`.
    (domain.iter().any(|c| c.is_alphabetic()) || dots == 3).then_some(end)
}

fn local_start(text: &[char], first: usize, end: usize) -> Option<usize> {
    let back = |from: usize, is_part: &dyn Fn(char) -> bool| {
        let mut start = from;
        while start > first && text.get(start - 1).is_some_and(|c| is_part(*c)) {
            start -= 1;
        }
        start
    };
    let start = back(end, &is_local);
    // Directly behind an address that is hidden, as in `a@b@c`, all goes with it.
    if start < end || (end == first && first > 0) {
        return Some(start);
    }
    // A quoted local part may hold anything.
    if end > first && text.get(end - 1) == Some(&'"') {
        let least = first.max(end.saturating_sub(FARTHEST + 2));
        let open = (least..end - 1).rev().find(|place| text.get(*place) == Some(&'"'));
        if let Some(open) = open {
            return Some(back(open, &is_local));
        }
    }
    let least = end.saturating_sub(FARTHEST);
    let start = back(end, &|c| !c.is_whitespace()).max(least);
    (start < end).then_some(start)
}
