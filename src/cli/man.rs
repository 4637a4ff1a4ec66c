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

/// Prints the manual page in roff.
///
/// # Errors
/// Stdout that fails.
pub fn page(command: clap::Command) -> Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(Error::internal)?;
    print_text(&String::from_utf8_lossy(&page))?;
    Ok(exit::FINE)
}
