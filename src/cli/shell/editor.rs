//! The line that one types into: history, completion, colours, and lines until a statement is whole.

use std::borrow::Cow;
use std::path::PathBuf;

use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use sessionlake::{Error, Result};

use super::super::shared::state_folder;
use super::commands;
use super::complete::Offers;
use super::lex::{Kind, is_whole, pieces};

/// Entries of the history at most.
const HISTORY: usize = 10_000;

/// What a person typed.
pub enum Typed {
    /// A statement, or a command.
    Text(String),
    /// Ctrl-C: what was typed is given up.
    Interrupt,
    /// Ctrl-D.
    End,
}

/// Reads what a person types on a terminal.
pub struct Terminal {
    editor: Editor<Typing, FileHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// Opens the terminal; `history` is a file that is read and added to, if it can be.
    ///
    /// # Errors
    /// A terminal that cannot be set up.
    pub fn open(offers: Offers, colors: bool, history: Option<PathBuf>) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(HISTORY)
            .map_err(failed)?
            .build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Typing { offers, files: FilenameCompleter::new(), colors }));
        if let Some(file) = &history {
            // The first shell of all has none.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    /// Reads a statement or a command; `begun` is typed already.
    ///
    /// # Errors
    /// A terminal that went away.
    pub fn read(&mut self, prompt: &str, begun: &str) -> Result<Typed> {
        match self.editor.readline_with_initial(prompt, (begun, "")) {
            Ok(text) => {
                if !text.trim().is_empty() {
                    let _ = self.editor.add_history_entry(text.trim_end());
                    self.keep_history();
                }
                Ok(Typed::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Interrupt),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(failed(error)),
        }
    }

    /// Adds what is new to the file: other shells may be adding to it too.
    fn keep_history(&mut self) {
        let Some(file) = &self.history else { return };
        if let Err(error) = self.editor.append_history(file) {
            super::super::exit::note(&format!("warning: the history is not kept: {}: {error}", file.display()));
            self.history = None;
        }
    }
}

fn failed(error: ReadlineError) -> Error {
    Error::storage("the terminal", error)
}

/// Returns the file of the history, in a folder that is made if need be; `None` where there is no home.
pub fn history_file() -> Option<PathBuf> {
    Some(state_folder()?.join("history"))
}

/// How what is typed looks and is completed.
struct Typing {
    offers: Offers,
    files: FilenameCompleter,
    colors: bool,
}

impl Helper for Typing {}

impl Hinter for Typing {
    type Hint = String;
}

impl Validator for Typing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        Ok(match commands::is_command(text) || is_whole(text) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or(line);
        let takes_file = ["\\i ", ".read ", "\\o ", ".output ", "\\e ", ".edit "];
        if takes_file.iter().any(|command| before.starts_with(command)) {
            return self.files.complete(line, position, context);
        }
        let (begin, offers) = self.offers.complete(before);
        Ok((begin, offers.into_iter().map(|offer| Pair { display: offer.clone(), replacement: offer }).collect()))
    }
}

impl Highlighter for Typing {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.colors || commands::is_command(line) {
            return Cow::Borrowed(line);
        }
        let mut shown = String::with_capacity(line.len() * 2);
        let mut end = 0;
        for piece in pieces(line) {
            let text = &line[piece.range.clone()];
            shown.push_str(&line[end..piece.range.start]);
            end = piece.range.end;
            match color_of(piece.kind, text) {
                Some(color) => shown.extend(["\x1b[", color, "m", text, "\x1b[0m"]),
                None => shown.push_str(text),
            }
        }
        shown.push_str(&line[end..]);
        Cow::Owned(shown)
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.colors && kind != CmdKind::MoveCursor
    }
}

/// The colour of a piece of SQL, as the number of an escape sequence.
fn color_of(kind: Kind, text: &str) -> Option<&'static str> {
    match kind {
        Kind::Text => Some("32"),
        Kind::Name => Some("36"),
        Kind::Number => Some("35"),
        Kind::Comment => Some("2"),
        Kind::Word if text.starts_with('$') => Some("33"),
        Kind::Word if ALL_KEYWORDS.binary_search(&text.to_uppercase().as_str()).is_ok() => Some("1;34"),
        Kind::Word | Kind::End | Kind::Sign => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_nothing_but_the_look() {
        let typing = Typing { offers: Offers::default(), files: FilenameCompleter::new(), colors: true };
        let line = "select 'é' as \"x\", $a -- note";
        let shown = typing.highlight(line, 0).into_owned();
        assert_eq!(
            shown,
            "\x1b[1;34mselect\x1b[0m \x1b[32m'é'\x1b[0m \x1b[1;34mas\x1b[0m \x1b[36m\"x\"\x1b[0m, \x1b[33m$a\x1b[0m \x1b[2m-- note\x1b[0m"
        );
        assert_eq!(typing.highlight("\\timing", 0), "\\timing");
        assert_eq!(Typing { colors: false, ..typing }.highlight(line, 0), line);
    }
}
