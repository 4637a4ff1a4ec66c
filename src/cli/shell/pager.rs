//! The program that shows tables page by page.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use sessionlake::{Error, Result};

/// The pager where no other is named: it leaves at once what fits the screen, and moves sideways over wide tables.
const LESS: &str = "less -FSRX";

/// Returns the command of the pager: `$PAGER`, or less where there is one; `None` where there is none, or `$PAGER` is empty.
pub fn usual() -> Option<String> {
    match std::env::var("PAGER") {
        Ok(command) => {
            let command = command.trim();
            // less without flags would wrap wide tables.
            let command = if command == "less" { LESS } else { command };
            (!command.is_empty()).then(|| command.to_owned())
        }
        Err(_) => {
            let folders = std::env::var_os("PATH")?;
            std::env::split_paths(&folders).any(|folder| folder.join("less").is_file()).then(|| LESS.to_owned())
        }
    }
}

/// A pager at work; dropped, it is waited for.
pub struct Pager(Child);

impl Pager {
    /// Starts the command.
    ///
    /// # Errors
    /// A command that there is not.
    pub fn start(command: &str) -> Result<Self> {
        let child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn();
        child.map(Self).map_err(|error| Error::storage(format!("the pager {command:?}"), error))
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0.stdin {
            Some(stdin) => stdin.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stdin.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
