//! `sessionlake shell`: one statement or command after another, from a person at a terminal or from a pipe.
//!
//! A shell sees one version of the lake and one instant as now, so that its answers fit together; `\refresh` goes on with the newest. `lex`
//! knows when a statement is over, `commands` reads what is no SQL, `editor` and `complete` are the line one types into, `session` is what
//! all of them change.

mod commands;
mod complete;
mod editor;
mod lex;
pub mod pager;
pub mod records;
mod session;

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use clap::Args as ClapArgs;
use sessionlake::{Error, Result};

use super::exit;
use super::query::ParameterArgs;
use super::shared::{AtArgs, Shared};
use editor::{Terminal, Typed, history_file};
use session::{Next, Session};

/// Asks the lake one statement after another, with history and completion.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Statements end with ; and \\? lists the commands. The history is in $XDG_STATE_HOME/sessionlake/history.\n\n\
                        Examples:\n  sessionlake shell\n  sessionlake shell --at-version 17 --param since=2026-11-01\n  \
                        echo 'select count(*) from active_sessions;' | sessionlake shell"
)]
pub struct Args {
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    at: AtArgs,
    /// Lets statements write: COPY, CREATE EXTERNAL TABLE, INSERT
    #[arg(long)]
    write: bool,
    /// Stops a statement after this long, such as 30s, 5m or 1h30m
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Neither reads nor keeps a history
    #[arg(long)]
    no_history: bool,
}

/// Where statements come from.
enum Source {
    Terminal(Box<Terminal>),
    /// Standard input that is no terminal.
    Pipe,
}

/// Runs the command.
///
/// # Errors
/// A lake that is not there, a terminal or pipe that fails. What becomes of statements is printed.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut session = Session::open(shared, &args, is_terminal).await?;
    let restored = Restored::of_terminal();
    let mut source = match is_terminal {
        true => {
            if !shared.quiet {
                exit::note(&session.greeting());
            }
            session.learn_paths();
            let history = if args.no_history { None } else { history_file() };
            let terminal = Terminal::open(session.offers(), shared.colors_stdout(), history)?;
            Source::Terminal(Box::new(terminal))
        }
        false => Source::Pipe,
    };
    let mut begun = String::new();
    loop {
        let typed;
        (source, typed) = next(source, session.prompt(), std::mem::take(&mut begun), &restored).await?;
        let next = match typed {
            Typed::Text(text) => session.take(&text).await?,
            Typed::Interrupt => Next::Go,
            Typed::End => Next::Quit,
        };
        match next {
            Next::Go => {}
            Next::Edit(text) => begun = text,
            Next::Quit => break,
        }
    }
    session.close(is_terminal).await
}

/// Waits for what is typed next. A signal that asks the process to stop is heard while one waits; an interrupt is not one.
async fn next(source: Source, prompt: String, begun: String, restored: &Restored) -> Result<(Source, Typed)> {
    let is_terminal = matches!(source, Source::Terminal(_));
    let mut waiting = tokio::task::spawn_blocking(move || match source {
        Source::Terminal(mut terminal) => {
            let typed = terminal.read(&prompt, &begun)?;
            Ok((Source::Terminal(terminal), typed))
        }
        Source::Pipe => Ok((Source::Pipe, from_pipe(&mut std::io::stdin().lock())?)),
    });
    loop {
        tokio::select! {
            typed = &mut waiting => return typed.map_err(Error::internal)?,
            () = exit::signal() => {
                if !is_terminal || !exit::forget_interrupt() {
                    restored.now();
                    return Err(Error::Cancelled);
                }
            }
        }
    }
}

/// Reads lines until a statement is whole, or one command.
fn from_pipe(lines: &mut impl BufRead) -> Result<Typed> {
    let mut text = String::new();
    loop {
        let length = lines
            .read_line(&mut text)
            .map_err(|error| Error::usage(format!("standard input is not SQL text: {error}")))?;
        if length == 0 {
            return Ok(if text.trim().is_empty() { Typed::End } else { Typed::Text(text) });
        }
        if commands::is_command(&text) || lex::is_whole(&text) && !text.trim().is_empty() {
            return Ok(Typed::Text(text));
        }
    }
}

/// The settings of the terminal as they were: a line editor that is left in the middle of a line cannot put them back.
struct Restored(#[cfg(unix)] Option<rustix::termios::Termios>, #[cfg(not(unix))] Option<()>);

impl Restored {
    fn of_terminal() -> Self {
        #[cfg(unix)]
        return Self(rustix::termios::tcgetattr(std::io::stdin()).ok());
        #[cfg(not(unix))]
        Self(std::io::stdin().is_terminal().then_some(()))
    }

    fn now(&self) {
        #[cfg(unix)]
        if let Some(settings) = &self.0 {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, settings);
        }
    }
}

/// Waits so long; says whether nothing came between.
async fn pause(seconds: f64) -> bool {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => true,
        () = exit::signal() => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_statements_of_several_lines_and_commands_of_one() {
        let mut input = "select 1,\n  2; -- both\n\\timing\n\nselect ';\n';\nselect 3".as_bytes();
        let mut read = || match from_pipe(&mut input).unwrap() {
            Typed::Text(text) => Some(text),
            Typed::End | Typed::Interrupt => None,
        };
        let expected = ["select 1,\n  2; -- both\n", "\\timing\n", "\nselect ';\n';\n", "select 3"];
        for text in expected {
            assert_eq!(read().as_deref(), Some(text));
        }
        assert_eq!(read(), None);
    }
}
