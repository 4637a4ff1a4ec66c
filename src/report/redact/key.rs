//! Tells from the name of a column or JSON key what stands under it.
//!
//! Names are read in any spelling: `firstName`, `first_name`, `FIRSTNAME`, `"Source Details - Phone Number"`.

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Phone,
    Email,
    Name,
    /// A name that is certainly of a person, and so hidden in the other texts of its row.
    PersonName,
    /// A person as a whole: a name where it is plain text, more keys where it is an object.
    Person,
    /// Something that has a name and is no person: a bare `name` inside it stays.
    Thing,
    /// An id or a time: digits there are no phone number.
    Id,
    Other,
}

/// What has a name and is no person.
const THINGS: &str = "workflow flow item step node module action event queue skill team group department category file host domain \
    server column table field key path class type kind template variable report query product plan service system \
    app application channel campaign menu intent entity prompt version config setting parameter param attribute \
    property tag label metric status state region country city street road day month weekday holiday zone time \
    currency language locale model device browser os platform bucket schema database catalog index view function \
    method job task process script stage phase branch port endpoint api bot store office site location building \
    room brand sku code rule policy role permission format sheet page form topic tier entry point test";

/// Parts of keys whose name is certainly a person's.
const PERSONS: &str = "first last full given family middle maiden customer caller callee client patient person member guest holder \
    contact spouse";

/// Words of a person's name in other languages and by other words than name.
const NAME_WORDS: &str = "surname forename nickname firstname lastname fullname middlename vorname nachname familienname prenom prénom \
    nom nombre nombres apellido apellidos cognome sobrenome achternaam voornaam imie nazwisko имя фамилия \
    cardholder accountholder";

const PHONE_WORDS: &str = "phone phones telephone mobile cell cellphone cellular fax msisdn ani dnis tel telefon telefono teléfono \
    telephon handy whatsapp landline callerid callernumber dialednumber callbacknumber";

/// Two words that together are of a phone number.
const PHONE_PAIRS: &[(&str, &str)] = &[
    ("caller", "id"),
    ("caller", "number"),
    ("calling", "number"),
    ("called", "number"),
    ("dialed", "number"),
    ("dialled", "number"),
    ("callback", "number"),
    ("contact", "number"),
    ("from", "number"),
    ("to", "number"),
    ("sms", "number"),
    ("call", "number"),
];

/// Last words that make something else of a key: a count of phones is no phone.
const ABOUT: &str = "type types kind count counts calls sessions country region status verified valid label channel model brand os \
    rate share percent total rank length format source opt in enabled confirmed sent opened template subject \
    domain minutes seconds duration time at date prefix plan billing id ids key hash repeat repeats per week day \
    hour version carrier";

/// Words behind those of a contact that only say which it is, or how it is written.
const WHICH: &str = "number numbers no nr num e raw formatted normalized normalised text value values home work private business \
    primary secondary main other alternate alt digits line address addresses addr masked s string current old new last first";

/// Last words of keys of ids and times.
const ID_WORDS: &str = "id ids uuid guid key hash version step item number no nr ref reference code token account order invoice ticket \
    case at date time timestamp day created updated amount price total balance sum due seconds duration ms count \
    epoch zip postcode points latitude longitude lat lon lng";

/// Values that say that there is none.
const NONE_WORDS: &str = "anonymous unknown restricted unavailable withheld blocked n/a - -- ?";

/// Values that say so where they cannot be a name: there are people who are called No or Null.
const SHORT_NONE_WORDS: &str = "none null nil true false private na yes no y n";

/// Returns whether a word is in a list.
fn is(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// Cuts a name into lower-case words: at what is no letter or digit, and where a small letter meets a large one.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before: Option<char> = None;
    let mut characters = name.chars().take(200).peekable();
    while let Some(character) = characters.next() {
        let next_is_small = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = match before {
            Some(before) if character.is_uppercase() => {
                before.is_lowercase() || before.is_numeric() || (before.is_uppercase() && next_is_small)
            }
            _ => false,
        };
        if !character.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before = Some(character);
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Key {
    /// Tells what stands under a column or a key at the top.
    pub(super) fn of(name: &str) -> Self {
        let words = words(name);
        let last = words.last().map_or("", String::as_str);
        // Numbers at the end count things: phone_2 is a phone.
        let meaningful: Vec<&str> = words
            .iter()
            .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
            .filter(|word| !word.is_empty())
            .collect();
        let tail = meaningful.last().copied().unwrap_or(last);
        let flat: String = meaningful.concat();

        if is_name_key(&meaningful, tail, &flat) {
            let certain = PERSONS.split(' ').any(|word| flat.contains(word)) || is(NAME_WORDS, tail);
            return if certain { Self::PersonName } else { Self::Name };
        }
        if of_contact(&meaningful, match_phone) {
            return Self::Phone;
        }
        if of_contact(&meaningful, |word, _| match_mail(word)) {
            return Self::Email;
        }
        if is("caller callee customer person patient spouse", &flat) {
            return Self::Person;
        }
        if is(ID_WORDS, tail) || (flat.ends_with("id") && meaningful.len() == 1 && flat.len() > 3) {
            // An object that is an item or a step has names of its own.
            return if is(THINGS, tail) { Self::Thing } else { Self::Id };
        }
        // The data of an action is about the action.
        let about = meaningful.iter().rev().find(|word| !is("data details detail info json object record", word));
        if about.is_some_and(|word| is(THINGS, word)) {
            return Self::Thing;
        }
        Self::Other
    }

    /// Tells what stands under a key inside of what this key says.
    pub(super) fn inside(self, name: &str) -> Self {
        let own = Self::of(name);
        let words = words(name);
        let tail = words.last().map_or("", String::as_str);
        match (self, own) {
            // The name of a thing is none of a person.
            (Self::Thing, Self::Name) if words.len() == 1 && matches!(tail, "name" | "names") => Self::Other,
            // What is called name inside a person is a person's.
            (Self::Person, Self::Name) => Self::PersonName,
            (_, Self::Phone | Self::Email | Self::Name | Self::PersonName | Self::Person) => own,
            // The parts of a name or a number are hidden with it; what only describes them is not.
            (Self::Name | Self::PersonName | Self::Email | Self::Phone, _) if !is(ABOUT, tail) => self,
            (Self::Name | Self::PersonName | Self::Email | Self::Phone, _) => Self::Other,
            _ => own,
        }
    }

    /// Returns what is shown of a text for its key alone; none where the key says nothing and the form must tell.
    pub(super) fn hide(self, text: &str) -> Option<String> {
        let trimmed = text.trim();
        let is_short_none = matches!(self, Self::Phone | Self::Email) && is(SHORT_NONE_WORDS, &trimmed.to_lowercase());
        let says_nothing = is_none(trimmed) || is_short_none;
        let is_known = is_token(trimmed);
        match self {
            Self::Phone | Self::Email | Self::Name | Self::PersonName if says_nothing || is_known => {
                Some(text.to_owned())
            }
            Self::Phone => Some(super::phone::token(text)),
            Self::Email => Some("[email]".to_owned()),
            // A key of names may hold an id, as user names do, or an address.
            Self::Name | Self::PersonName if is_platform_id(trimmed) => Some(text.to_owned()),
            Self::Name | Self::PersonName => {
                let is_address = super::email::hide(trimmed).is_some_and(|shown| shown == "[email]");
                Some(if is_address { "[email]" } else { "[name]" }.to_owned())
            }
            Self::Person if is_name_like(trimmed) && !says_nothing && !is_known => Some("[name]".to_owned()),
            Self::Person | Self::Thing | Self::Id | Self::Other => None,
        }
    }

    /// Returns whether the digits under the key are an id, an amount or a time unless a plus says otherwise.
    pub(super) fn keeps_digits(self) -> bool {
        self == Self::Id
    }
}

/// Returns whether some words are of a contact and all words behind them only say which of several it is: the balance of a
/// phone bill is no phone.
fn of_contact(words: &[&str], matched: impl Fn(&str, Option<&str>) -> Option<usize>) -> bool {
    (0..words.len()).any(|place| {
        let word = words.get(place).copied().unwrap_or_default();
        let Some(length) = matched(word, words.get(place + 1).copied()) else { return false };
        words.iter().skip(place + length).all(|word| is(WHICH, word))
    })
}

/// Matches one or two words of a phone number, and says how many.
fn match_phone(word: &str, next: Option<&str>) -> Option<usize> {
    if let Some(next) = next
        && PHONE_PAIRS.contains(&(word, next))
    {
        return Some(2);
    }
    let behind = word.find("phone").and_then(|place| word.get(place + "phone".len()..));
    let inside = behind.is_some_and(|behind| behind.is_empty() || is(WHICH, behind)) && !word.starts_with("micro");
    (inside || is(PHONE_WORDS, word)).then_some(1)
}

/// Matches a word of an e-mail address; `e` and `mail` are two words of one. A mail alone is an address only where the name ends.
fn match_mail(word: &str) -> Option<usize> {
    let behind = word.find("email").and_then(|place| word.get(place + "email".len()..));
    let inside = behind.is_some_and(|behind| behind.is_empty() || is(WHICH, behind));
    (inside || matches!(word, "mail" | "mailaddress" | "mailto")).then_some(1)
}

/// Tells a key of names by its words.
fn is_name_key(words: &[&str], tail: &str, flat: &str) -> bool {
    if is(NAME_WORDS, tail) || is(NAME_WORDS, flat) {
        return true;
    }
    let before = match tail {
        "name" | "names" => words.len().checked_sub(2).and_then(|index| words.get(index)).copied().unwrap_or(""),
        _ => match tail.strip_suffix("names").or_else(|| tail.strip_suffix("name")) {
            Some(before) => before,
            None => return false,
        },
    };
    !THINGS.split(' ').any(|thing| before == thing || (thing.len() > 3 && before.ends_with(thing)))
}

/// Returns whether a text says that there is none.
pub(super) fn is_none(text: &str) -> bool {
    text.is_empty() || is(NONE_WORDS, &text.to_lowercase())
}

/// Returns whether a text is what something hidden became.
pub(super) fn is_token(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    match inner.strip_prefix("phone ··") {
        Some(digits) => digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit()),
        None => matches!(inner, "phone" | "email" | "name"),
    }
}

/// Returns whether a text begins with what something hidden became.
pub(super) fn begins_with_token(text: &str) -> bool {
    text.starts_with('[') && text.find(']').and_then(|end| text.get(..=end)).is_some_and(is_token)
}

/// Returns whether a text is an id of the platform, or a UUID.
pub(super) fn is_platform_id(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_own = (20..=40).contains(&text.len()) && hex(text) && text.get(3..6) == Some("d01");
    let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hex);
    is_own || is_uuid
}

/// Returns whether a text looks like a name: a few words of letters.
pub(super) fn is_name_like(text: &str) -> bool {
    let mut words = 0;
    for word in text.split_whitespace() {
        words += 1;
        let letters = word.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '-' | '\'' | '’' | ','));
        if !letters || words > 5 {
            return false;
        }
    }
    words > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_in_any_spelling() {
        for name in [
            "phone",
            "Phone Number",
            "phoneNumber",
            "PHONE_NUMBER",
            "phonenumber",
            "source_details_phone_number",
            "Source Details - Phone Number",
            "mobile",
            "cell",
            "MSISDN",
            "ani",
            "callerId",
            "caller_id",
            "caller-number",
            "dialedNumber",
            "homePhone2",
            "telephone",
            "contactNumber",
            "phone_e164",
            "whatsapp",
            "PHONENO",
            "phone_home",
            "workphone",
        ] {
            assert_eq!(Key::of(name), Key::Phone, "{name}");
        }
        for name in ["email", "eMail", "E-Mail", "EMAIL_ADDRESS", "customerEmail", "mail", "userEmailAddress", "email2"]
        {
            assert_eq!(Key::of(name), Key::Email, "{name}");
        }
        for name in [
            "name",
            "firstName",
            "first_name",
            "FIRSTNAME",
            "LastName",
            "lastname",
            "customer_name",
            "customerName",
            "CUSTOMERNAME",
            "fullName",
            "full name",
            "display-name",
            "surname",
            "user_name",
            "userName",
            "username",
            "agentName",
            "policyHolderName",
            "contactName",
            "Vorname",
            "apellido",
            "name_1",
            "spouseName",
            "names",
        ] {
            assert!(matches!(Key::of(name), Key::Name | Key::PersonName), "{name}");
        }
        for name in [
            "workflow_name",
            "workflowName",
            "WORKFLOWNAME",
            "queueName",
            "fileName",
            "filename",
            "hostname",
            "item_name",
            "column_name",
            "category",
            "communication_type",
            "phone_type",
            "phoneCalls",
            "email_sent",
            "phone_sessions",
            "data",
            "session_id",
            "started_at",
            "time_in_workflow",
            "animal",
            "anis",
            "telemetry",
            "mailbox_count",
            "phonetic",
        ] {
            assert!(
                !matches!(Key::of(name), Key::Phone | Key::Email | Key::Name | Key::PersonName | Key::Person),
                "{name}: {:?}",
                Key::of(name)
            );
        }
        for name in
            ["session_id", "customerNumber", "order_number", "Version Id", "started_at", "amount_due", "sessionid"]
        {
            assert_eq!(Key::of(name), Key::Id, "{name}");
        }
    }

    #[test]
    fn a_bare_name_inside_a_thing_is_no_person() {
        assert_eq!(Key::of("workflow").inside("name"), Key::Other);
        assert_eq!(Key::of("Action Data").inside("name"), Key::Other);
        assert_eq!(Key::of("source_details").inside("name"), Key::Name);
        assert_eq!(Key::of("workflow").inside("customerName"), Key::PersonName);
        assert_eq!(Key::of("customer").inside("name"), Key::PersonName);
        assert_eq!(Key::of("phone").inside("number"), Key::Phone);
        assert_eq!(Key::of("phone").inside("type"), Key::Other);
        assert_eq!(Key::of("name").inside("first"), Key::Name);
    }
}
