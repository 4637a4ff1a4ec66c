//! The commands of the shell: those of psql, which begin with a backslash, and those of DuckDB, which begin with a dot.

use sessionlake::{Error, Result};

/// What a line asks for that is no SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Lists tables, or the columns of one.
    Describe(Option<String>),
    /// Lists functions, or those with a text in their names.
    Functions(Option<String>),
    /// Runs the statements of a file.
    Read(String),
    /// Has results go into a file, or back to the terminal.
    Output(Option<String>),
    /// Opens an editor with the last statement, or with a file.
    Edit(Option<String>),
    /// Runs the last statement again and again, every so many seconds.
    Watch(f64),
    /// Sets something, or lists what is set.
    Set(Option<(String, String)>),
    /// Puts something back to what it was at the start.
    Unset(String),
    /// Gives a parameter of the SQL a value, or lists them.
    Parameter(Option<(String, String)>),
    /// Goes on with the newest version of the lake and the present instant.
    Refresh,
    /// Explains the commands.
    Help,
    /// Ends the shell.
    Quit,
}

/// A command: its names, what comes behind, and what it does.
struct Known {
    names: &'static [&'static str],
    argument: &'static str,
    meaning: &'static str,
}

const KNOWN: [Known; 19] = [
    Known {
        names: &["\\d", ".schema"],
        argument: "[TABLE]",
        meaning: "the tables, or the columns of one with their meanings",
    },
    Known { names: &["\\dt", ".tables"], argument: "", meaning: "the tables" },
    Known { names: &["\\df"], argument: "[TEXT]", meaning: "the functions, or those with a text in their names" },
    Known { names: &["\\x"], argument: "[on|off]", meaning: "each row as lines of names and values" },
    Known { names: &["\\timing", ".timer"], argument: "[on|off]", meaning: "how long each statement takes" },
    Known { names: &["\\pager"], argument: "[on|off]", meaning: "whether tables are shown by $PAGER, or less" },
    Known {
        names: &[".mode"],
        argument: "FORMAT",
        meaning: "the format of results: table, csv, json, ndjson, markdown …",
    },
    Known { names: &["\\i", ".read"], argument: "FILE", meaning: "runs the statements of a file" },
    Known {
        names: &["\\o", ".output"],
        argument: "[FILE]",
        meaning: "results go into a file, which is whole once \\o ends it",
    },
    Known { names: &["\\e", ".edit"], argument: "[FILE]", meaning: "opens $VISUAL or $EDITOR with the last statement" },
    Known {
        names: &["\\watch"],
        argument: "[SECONDS]",
        meaning: "runs the last statement again and again, on the newest version, until Ctrl-C",
    },
    Known { names: &["\\param"], argument: "[NAME=VALUE]", meaning: "the value of a parameter, $name in SQL" },
    Known {
        names: &["\\set"],
        argument: "[NAME VALUE]",
        meaning: "as_of, at_version, at_time, time_zone, format, null, timing, expanded, pager, timeout, max_rows",
    },
    Known { names: &["\\unset"], argument: "NAME", meaning: "puts a setting or a parameter back" },
    Known { names: &["\\refresh"], argument: "", meaning: "goes on with the newest version and the present instant" },
    Known { names: &["\\?", ".help", "help"], argument: "", meaning: "this list" },
    Known {
        names: &["\\q", ".quit", ".exit", "exit", "quit"],
        argument: "",
        meaning: "ends the shell, as Ctrl-D does",
    },
    Known { names: &["\\c"], argument: "", meaning: "" },
    Known { names: &["\\!"], argument: "", meaning: "" },
];

/// Lists the names of all commands.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().filter(|known| !known.meaning.is_empty()).flat_map(|known| known.names).copied()
}

/// Says whether a line is a command, and not the beginning of a statement.
pub fn is_command(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    let bare = word.trim_end_matches(';');
    line.trim_start().starts_with('\\')
        || word.starts_with('.') && word[1..].starts_with(|c: char| c.is_ascii_alphabetic())
        || matches!(bare, "help" | "exit" | "quit")
}

/// Returns the text that explains the commands.
pub fn help() -> String {
    let mut text = "Statements end with ; and may take several lines. Commands take one:\n".to_owned();
    for known in KNOWN.iter().filter(|known| !known.meaning.is_empty()) {
        let shown = format!("{} {}", known.names.join(", "), known.argument);
        text.push_str(&format!("  {:<34} {}\n", shown.trim_end(), known.meaning));
    }
    text
}

/// Reads a command.
///
/// # Errors
/// One that there is not, or whose argument cannot be read.
pub fn read(line: &str) -> Result<Command> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let given = || (!rest.is_empty()).then(|| unquoted(rest));
    let needed = |what: &str| given().ok_or_else(|| Error::usage(format!("{name} needs {what}")));
    let switched = |setting: &str| -> Result<Command> {
        match rest {
            "" => Ok(Command::Set(Some((setting.to_owned(), "toggle".to_owned())))),
            value => Ok(Command::Set(Some((setting.to_owned(), value.to_owned())))),
        }
    };
    Ok(match name {
        "\\d" | "\\d+" | ".schema" => Command::Describe(given()),
        "\\dt" | "\\dt+" | "\\dv" | ".tables" => Command::Describe(None),
        "\\df" => Command::Functions(given()),
        "\\x" => switched("expanded")?,
        "\\timing" | ".timer" => switched("timing")?,
        "\\pager" => switched("pager")?,
        ".mode" => Command::Set(Some(("format".to_owned(), needed("a format")?))),
        "\\i" | "\\ir" | ".read" => Command::Read(needed("a file")?),
        "\\o" | ".output" => Command::Output(given().filter(|file| file != "stdout")),
        "\\e" | ".edit" => Command::Edit(given()),
        "\\watch" => {
            let seconds = if rest.is_empty() { "2" } else { rest };
            let read = sessionlake::functions::parse_duration(seconds).or_else(|| seconds.parse().ok());
            let read = read.filter(|seconds: &f64| (0.1..=86_400.0).contains(seconds));
            Command::Watch(read.ok_or_else(|| {
                Error::usage(format!("\\watch does not take {rest:?}")).with_hint("write \\watch 5, or \\watch 1m")
            })?)
        }
        "\\set" => match rest.split_once(char::is_whitespace) {
            Some((name, value)) => Command::Set(Some((name.to_owned(), unquoted(value.trim())))),
            None if rest.is_empty() => Command::Set(None),
            None => return Err(Error::usage(format!("\\set {rest} has no value")).with_hint("write \\set name value")),
        },
        "\\unset" => Command::Unset(needed("the name of a setting or a parameter")?),
        "\\param" => match rest.split_once('=') {
            Some((name, value)) => {
                Command::Parameter(Some((name.trim().trim_start_matches('$').to_owned(), unquoted(value.trim()))))
            }
            None if rest.is_empty() => Command::Parameter(None),
            None => {
                return Err(Error::usage(format!("\\param {rest} has no value")).with_hint("write \\param name=value"));
            }
        },
        "\\refresh" => Command::Refresh,
        "\\?" | "\\h" | ".help" | "help" => Command::Help,
        "\\q" | ".quit" | ".exit" | "exit" | "quit" => Command::Quit,
        "\\c" | "\\connect" => {
            return Err(Error::usage("a shell has one lake").with_hint("start another one with --lake"));
        }
        "\\!" | ".shell" | ".system" => {
            return Err(Error::usage("the shell starts no other programs")
                .with_hint("Ctrl-Z goes back to the one it was started from"));
        }
        _ => {
            let nearest = names().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
            let hint = match nearest.filter(|(distance, _)| *distance <= 2) {
                Some((_, known)) => format!("did you mean {known}? \\? lists all"),
                None => "\\? lists the commands".to_owned(),
            };
            return Err(Error::usage(format!("there is no command {name}")).with_hint(hint));
        }
    })
}

/// Takes quotes from around a text.
fn unquoted(text: &str) -> String {
    let inside = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inside.unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_commands_are_read() {
        let some = |text: &str| Some(text.to_owned());
        for (line, command) in [
            ("\\d workflow_sessions", Command::Describe(some("workflow_sessions"))),
            ("\\d \"Workflow Sessions\";", Command::Describe(some("Workflow Sessions"))),
            (".tables", Command::Describe(None)),
            ("\\df phone", Command::Functions(some("phone"))),
            ("\\i 'a b.sql'", Command::Read("a b.sql".to_owned())),
            (".read x.sql", Command::Read("x.sql".to_owned())),
            ("\\o", Command::Output(None)),
            (".output stdout", Command::Output(None)),
            ("\\o a.csv", Command::Output(some("a.csv"))),
            ("\\watch", Command::Watch(2.0)),
            ("\\watch 500ms", Command::Watch(0.5)),
            ("\\watch 5", Command::Watch(5.0)),
            ("\\set as_of '2026-11-21 10:00'", Command::Set(Some(("as_of".to_owned(), "2026-11-21 10:00".to_owned())))),
            (".mode csv", Command::Set(Some(("format".to_owned(), "csv".to_owned())))),
            ("\\x", Command::Set(Some(("expanded".to_owned(), "toggle".to_owned())))),
            (".timer on", Command::Set(Some(("timing".to_owned(), "on".to_owned())))),
            ("\\param $since=2026-11-01", Command::Parameter(Some(("since".to_owned(), "2026-11-01".to_owned())))),
            ("exit;", Command::Quit),
            ("\\?", Command::Help),
        ] {
            assert!(is_command(line), "{line}");
            assert_eq!(read(line).unwrap(), command, "{line}");
        }
        for sql in ["select 1", ".5 + 1", "helper", "quitters;", "", "-- \\d"] {
            assert!(!is_command(sql), "{sql}");
        }
    }

    #[test]
    fn what_is_no_command_is_told_with_what_there_is() {
        for (line, message, hint) in [
            ("\\tining", "there is no command \\tining", "did you mean \\timing? \\? lists all"),
            ("\\zzzzzz", "there is no command \\zzzzzz", "\\? lists the commands"),
            ("\\i", "\\i needs a file", ""),
            ("\\param since", "\\param since has no value", "write \\param name=value"),
            ("\\watch never", "\\watch does not take \"never\"", "write \\watch 5, or \\watch 1m"),
        ] {
            let error = read(line).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.hint().unwrap_or_default()), (message, hint));
        }
    }

    #[test]
    fn help_has_every_command() {
        let help = help();
        assert!(names().all(|name| help.contains(name)) && !help.contains("\\!"), "{help}");
    }
}
