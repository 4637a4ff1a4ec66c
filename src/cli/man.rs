//! `sessionlake completions` and `sessionlake man`: both come from the one definition of the command line.

use clap::Args as ClapArgs;
use clap_complete::Shell;
use sessionlake::{Error, Result};

use super::exit;
use super::printer::print_text;

/// Prints the completion script of a shell.
#[derive(Debug, ClapArgs)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the completion script.
///
/// # Errors
/// Stdout that fails.
pub fn completions(command: &mut clap::Command, args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "sessionlake", &mut script);
    print_text(&String::from_utf8_lossy(&script))?;
    Ok(exit::FINE)
}

/// Prints the manual page.
#[derive(Debug, ClapArgs)]
pub struct ManArgs {
    /// The command whose page it is [default: that of the whole program]
    command: Option<String>,
}

/// Prints the manual page in roff.
///
/// # Errors
/// A command that is not there; stdout that fails.
pub fn page(mut command: clap::Command, args: &ManArgs) -> Result<u8> {
    // Gives the commands their global flags and full names.
    command.build();
    let mut title = "sessionlake".to_owned();
    if let Some(name) = &args.command {
        let Some(found) = command.find_subcommand(name) else {
            return Err(Error::usage(format!("there is no command {name:?}")).with_hint("see sessionlake --help"));
        };
        command = found.clone();
        title = format!("sessionlake-{name}");
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(title).render(&mut page).map_err(Error::internal)?;
    print_text(&String::from_utf8_lossy(&page))?;
    Ok(exit::FINE)
}
