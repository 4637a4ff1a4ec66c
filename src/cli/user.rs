//! `sessionlake user`: who may ask a server.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use sessionlake::serve::{Role, User, Users, Verifier};
use sessionlake::zones::read_instant;
use sessionlake::{Error, Result};

use super::exit;
use super::printer::{OutputArgs, Printer, listing};
use super::shared::Shared;

/// Lists, adds and removes those who may ask a server.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  sessionlake user --users users.toml add ana\n  sessionlake user --users users.toml add team --role masked \
                  --workflow w-17 --expires 2027-01-01\n  sessionlake user --users users.toml list"
)]
pub struct Args {
    /// The file of users, which `add` makes where there is none
    #[arg(long, value_name = "FILE", env = "SESSIONLAKE_USERS")]
    users: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Adds a user, or gives one another password, role or end; the password is asked for, or read from standard input
    Add(AddArgs),
    /// Lists the users
    List(OutputArgs),
    /// Removes a user, who then cannot log in any more
    Remove {
        /// The user
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
struct AddArgs {
    /// The name to log in with
    name: String,
    /// What the user sees: all values, or masked ones as `report --redact` shows them
    #[arg(long, value_enum, default_value = "reader")]
    role: RoleName,
    /// Shows sessions of this workflow id alone; may be given again
    #[arg(long, value_name = "ID")]
    workflow: Vec<String>,
    /// The instant from which on the password is none any more
    #[arg(long, value_name = "INSTANT")]
    expires: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// All values
    Reader,
    /// No phone numbers, e-mail addresses and names
    Masked,
}

/// Runs the command.
///
/// # Errors
/// A file that is none of users or cannot be written; a user who is not there; a password that is empty.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    match args.command {
        Command::Add(add) => self::add(shared, &args.users, add),
        Command::List(output) => list(shared, &args.users, &output).await,
        Command::Remove { name } => {
            let users = Users::at(&args.users)?;
            let mut known = users.list()?;
            let before = known.len();
            known.retain(|user| user.name != name);
            if known.len() == before {
                return Err(Error::NotFound {
                    message: format!("{} has no user {name:?}", args.users.display()),
                    hint: Some("sessionlake user list lists them".to_owned()),
                });
            }
            users.replace(known)?;
            if !shared.quiet {
                exit::note(&format!("{name} is removed; connections that are open stay"));
            }
            Ok(exit::FINE)
        }
    }
}

fn add(shared: &Shared, path: &std::path::Path, args: AddArgs) -> Result<u8> {
    let zone = shared.settings()?.engine.time_zone;
    let expires = args.expires.as_deref().map(|text| read_instant("--expires", text, zone)).transpose()?;
    let users = Users::to_be_at(path)?;
    let mut known = if path.exists() { users.list()? } else { Vec::new() };
    let password = read_password()?;
    let user = User {
        name: args.name.clone(),
        role: match args.role {
            RoleName::Reader => Role::Reader,
            RoleName::Masked => Role::Masked,
        },
        workflows: (!args.workflow.is_empty()).then(|| args.workflow.into_iter().collect::<BTreeSet<_>>()),
        expires,
        verifier: Verifier::of(&password)?,
    };
    known.retain(|known| known.name != user.name);
    known.push(user);
    users.replace(known)?;
    if !shared.quiet {
        exit::note(&format!("{} may log in", args.name));
    }
    Ok(exit::FINE)
}

async fn list(shared: &Shared, path: &std::path::Path, output: &OutputArgs) -> Result<u8> {
    let rows = Users::at(path)?.list()?.into_iter().map(|user| {
        let role = match user.role {
            Role::Reader => "reader",
            Role::Masked => "masked",
        };
        let workflows =
            user.workflows.map_or_else(|| "all".to_owned(), |ids| ids.into_iter().collect::<Vec<_>>().join(", "));
        let expires = user.expires.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
        vec![user.name, role.to_owned(), workflows, expires]
    });
    let settings = shared.settings()?;
    let mut printer = Printer::new(output, shared, &settings).await?;
    printer.print(&listing(&["name", "role", "workflows", "expires"], rows)?)?;
    printer.commit().await?;
    Ok(exit::FINE)
}

/// Reads a password: on a terminal twice and without showing it, else a line.
fn read_password() -> Result<String> {
    let is_terminal = std::io::stdin().is_terminal();
    let ask = |words: &str| -> Result<String> {
        if is_terminal {
            let mut err = std::io::stderr();
            let _ = write!(err, "{words}: ").and_then(|()| err.flush());
        }
        let _hidden = if is_terminal { Hidden::start() } else { None };
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| Error::usage(format!("standard input: {error}")))?;
        if is_terminal {
            let _ = writeln!(std::io::stderr());
        }
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    };
    let password = ask("Password")?;
    if password.is_empty() {
        return Err(Error::usage("the password is empty").with_hint("type one, or give it as a line on standard input"));
    }
    if is_terminal && ask("Again")? != password {
        return Err(Error::usage("the two passwords differ"));
    }
    Ok(password)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(#[cfg(unix)] rustix::termios::Termios);

impl Hidden {
    fn start() -> Option<Self> {
        #[cfg(unix)]
        {
            use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
            let before = tcgetattr(std::io::stdin()).ok()?;
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden).ok()?;
            Some(Self(before))
        }
        #[cfg(not(unix))]
        None
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        #[cfg(unix)]
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}
