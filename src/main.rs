//! The `sessionlake` command line: parse, start the runtime, run, print the error with its hint.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
