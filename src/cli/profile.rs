//! Profiles: the flags by which exports are read, kept by name in `sessionlake.toml`.
//!
//! A profile is put into the words that the command line would have, so that its keys mean what the flags mean and no more. Flags that are
//! given win over the profile, each as a whole: a list that is given replaces the profile's.

use std::ops::Range;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use sessionlake::script::did_you_mean;
use sessionlake::zones::Tz;
use sessionlake::{Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config::{self, PROJECT_FILE};
use super::ingest::ReadArgs;
use super::shared::Shared;

/// What a profile may say beside flags of reading: a flag of all commands.
const TIME_ZONE: &str = "time-zone";

/// Notes which flags were given, and adds those of the profile that is named, if one is.
///
/// # Errors
/// A profile that no file has, or one with a key or a value that means nothing, with its place.
pub fn complete(read: &mut ReadArgs, given: &ArgMatches, shared: &mut Shared) -> Result<()> {
    let command = ReadArgs::augment_args(Command::new("profile").no_binary_name(true));
    let flags: Vec<&Arg> = command.get_arguments().filter(|arg| arg.get_long().is_some()).collect();
    let words = given_words(&flags, given);
    if let Some(name) = read.profile.clone() {
        let (profile, zone) = Profile::find(&name)?.words(&flags, given)?;
        let parse = |words: Vec<String>| {
            command.clone().try_get_matches_from(words).and_then(|matches| ReadArgs::from_arg_matches(&matches))
        };
        for (place, words) in &profile {
            // Each by itself, so that what is wrong has its place.
            parse(words.clone()).map_err(|error| wrong_value(place, &error))?;
        }
        let flag =
            |words: &[String]| words.first().map_or("", |word| word.split('=').next().unwrap_or(word)).to_owned();
        let places = profile.iter().map(|(place, words)| (flag(words), place.clone())).collect();
        let all = profile.into_iter().flat_map(|(_, words)| words).chain(words.iter().cloned());
        *read = parse(all.collect()).map_err(Error::internal)?;
        read.places = places;
        shared.profile_zone = zone;
    }
    let of_all = Shared::augment_args(Command::new("shared"));
    let places: Vec<&Arg> = of_all
        .get_arguments()
        .filter(|arg| matches!(arg.get_id().as_str(), "lake" | "time_zone" | "zoneinfo"))
        .collect();
    shared.given = given_words(&places, given);
    read.given = words;
    Ok(())
}

/// Writes the flags that were given as words of a command line.
fn given_words(flags: &[&Arg], given: &ArgMatches) -> Vec<String> {
    let mut words = Vec::new();
    for flag in flags {
        let id = flag.get_id().as_str();
        let (Some(long), true) = (flag.get_long(), is_given(id, given)) else { continue };
        if matches!(flag.get_action(), ArgAction::SetTrue) {
            words.push(format!("--{long}"));
            continue;
        }
        let values = given.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
        match flag.get_value_delimiter() {
            // A list in one word, as it was given.
            Some(delimiter) => push_flag(&mut words, long, &values.collect::<Vec<_>>().join(&delimiter.to_string())),
            None => values.for_each(|value| push_flag(&mut words, long, &value)),
        }
    }
    words
}

fn is_given(id: &str, given: &ArgMatches) -> bool {
    given.try_contains_id(id).unwrap_or(false) && given.value_source(id) == Some(ValueSource::CommandLine)
}

/// Writes a flag with its value: as one word where the value would be taken for a flag.
pub fn push_flag(words: &mut Vec<String>, long: &str, value: &str) {
    if value.starts_with('-') || value.is_empty() {
        words.push(format!("--{long}={value}"));
    } else {
        words.extend([format!("--{long}"), value.to_owned()]);
    }
}

/// Says what is wrong with the value of a key: clap's first line, which names flag and value.
fn wrong_value(place: &str, error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let error = Error::usage(format!("{place}: {message}"));
    match lines.find(|line| line.starts_with("[possible values")) {
        Some(values) => error.with_hint(values.trim_matches(['[', ']'])),
        None => error,
    }
}

/// A profile as its file has it.
struct Profile {
    file: String,
    text: String,
    name: String,
    /// Where its table stands.
    span: Range<usize>,
}

/// The flags of a profile: the place of each and its words.
type Words = Vec<(String, Vec<String>)>;

impl Profile {
    /// Finds a profile in the project's file, else in the user's.
    fn find(name: &str) -> Result<Self> {
        let files = [Some(Path::new(PROJECT_FILE).to_owned()), config::user_file()];
        let mut known = Vec::new();
        let mut places = Vec::new();
        for path in files.into_iter().flatten() {
            let Some(text) = config::read_text(&path)? else { continue };
            let file = path.display().to_string();
            let table = DeTable::parse(&text).map_err(|error| config::broken(&path, &text, &error))?;
            if let Some((line, profiles)) = profiles(table.get_ref(), &text) {
                if let Some((key, _)) = profiles.iter().find(|(key, _)| key.get_ref().as_ref() == name) {
                    let span = key.span();
                    return Ok(Self { file, name: name.to_owned(), span, text: text.clone() });
                }
                known.extend(profiles.keys().map(|key| key.get_ref().to_string()));
                places.push(format!("{file}:{line}"));
            } else {
                places.push(file);
            }
        }
        let what = format!("there is no profile {name:?}");
        let message = match places.as_slice() {
            [] => format!("{what}: there is no {PROJECT_FILE} here"),
            places => format!("{}: {what}", places.join(", ")),
        };
        let hint = match (did_you_mean(name, known.iter().map(String::as_str)), known.is_empty()) {
            (Some(hint), _) => hint,
            (None, false) => format!("the profiles are {}", known.join(", ")),
            (None, true) => {
                format!("write one into {PROJECT_FILE} as [profile.{name}], its keys named as the flags are")
            }
        };
        Err(Error::usage(message).with_hint(hint))
    }

    fn place(&self, span: &Range<usize>) -> String {
        format!("{}:{}", self.file, config::line_of(&self.text, span.start))
    }

    /// Returns the words of the flags that are not given, and the zone.
    fn words(&self, flags: &[&Arg], given: &ArgMatches) -> Result<(Words, Option<String>)> {
        let table =
            DeTable::parse(&self.text).map_err(|error| config::broken(Path::new(&self.file), &self.text, &error))?;
        let profile = profiles(table.get_ref(), &self.text)
            .and_then(|(_, profiles)| profiles.iter().find(|(key, _)| key.get_ref().as_ref() == self.name));
        let Some(DeValue::Table(keys)) = profile.map(|(_, value)| value.get_ref()) else {
            return Err(Error::usage(format!("{}: profile {:?} is no table", self.place(&self.span), self.name))
                .with_hint(format!("write it as [profile.{}], its keys named as the flags are", self.name)));
        };
        let mut words = Words::new();
        let mut zone = None;
        for (key, value) in keys {
            let (name, place) = (key.get_ref().as_ref(), self.place(&key.span()));
            let wrong = |what: &str| Error::usage(format!("{place}: {name} {what}"));
            if name == TIME_ZONE {
                let DeValue::String(text) = value.get_ref() else { return Err(wrong("is not the name of a zone")) };
                if Tz::named(text).is_none() {
                    return Err(wrong(&format!("names an unknown time zone {text:?}")));
                }
                zone = Some(text.to_string());
                continue;
            }
            let Some(flag) = flags.iter().find(|flag| flag.get_long() == Some(name) && name != "profile") else {
                let names = flags.iter().filter_map(|flag| flag.get_long()).filter(|name| *name != "profile");
                let names: Vec<&str> = names.chain([TIME_ZONE]).collect();
                let error = Error::usage(format!("{place}: unknown key {name:?} in profile {:?}", self.name));
                return Err(error.with_hint(match did_you_mean(name, names.iter().copied()) {
                    Some(hint) => hint,
                    None => format!("the keys are {}", names.join(", ")),
                }));
            };
            let values = values_of(flag, value).map_err(wrong)?;
            if !is_given(flag.get_id().as_str(), given) {
                let mut flag_words = Vec::new();
                for value in values {
                    match value {
                        None => flag_words.push(format!("--{name}")),
                        Some(value) => push_flag(&mut flag_words, name, &value),
                    }
                }
                words.push((place, flag_words));
            }
        }
        Ok((words, zone))
    }
}

/// Returns the table of profiles with the line where it begins.
fn profiles<'a, 'i>(table: &'a DeTable<'i>, text: &str) -> Option<(usize, &'a DeTable<'i>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == "profile")?;
    match value.get_ref() {
        DeValue::Table(profiles) => Some((config::line_of(text, key.span().start), profiles)),
        _ => None,
    }
}

/// Returns the values that a key gives to its flag; `None` is a flag that stands alone.
fn values_of(flag: &Arg, value: &Spanned<DeValue<'_>>) -> std::result::Result<Vec<Option<String>>, &'static str> {
    let is_switch = matches!(flag.get_action(), ArgAction::SetTrue);
    let is_list = matches!(flag.get_action(), ArgAction::Append);
    match value.get_ref() {
        DeValue::Boolean(is_on) if is_switch => Ok(if *is_on { vec![None] } else { Vec::new() }),
        _ if is_switch => Err("is true or false"),
        DeValue::Array(values) if is_list => {
            values.iter().map(|value| scalar(value.get_ref()).map(Some).ok_or("is a list of texts")).collect()
        }
        // --map "Their Header=session_id"
        DeValue::Table(pairs) if flag.get_long() == Some("map") => pairs
            .iter()
            .map(|(theirs, ours)| match ours.get_ref() {
                DeValue::String(ours) => Ok(Some(format!("{}={ours}", theirs.get_ref()))),
                _ => Err("says which column each header means, as text"),
            })
            .collect(),
        value => match scalar(value) {
            Some(text) => Ok(vec![Some(text)]),
            None if is_list => Err("is a text or a list of texts"),
            None => Err("is a text or a number"),
        },
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        // --no-end 9999-12-31 and --exported-at without quotes.
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
