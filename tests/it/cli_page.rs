//! `docs/cli.md` is generated from the definition of the command line.

use crate::support::{Desk, repository};

/// Every command, in the order of the help.
const COMMANDS: [&str; 21] = [
    "ingest",
    "inspect",
    "query",
    "shell",
    "serve",
    "worker",
    "user",
    "report",
    "check",
    "describe",
    "history",
    "optimize",
    "properties",
    "diff",
    "restore",
    "vacuum",
    "verify",
    "erase",
    "generate",
    "completions",
    "man",
];

#[test]
fn the_page_of_the_command_line_is_what_the_commands_say() {
    let desk = Desk::new();
    let listed = desk.run(&["--help"]).fine();
    let commands: Vec<&str> = section(&listed, "Commands:").filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(commands, COMMANDS, "this test must know every command");
    let mut page = String::from(
        "# Command line\n\n<!-- Generated from the definition of the command line: \
         SESSIONLAKE_BLESS=1 cargo test --test it cli_page -->\n\n",
    );
    page.push_str(&format!("```text\n{}```\n", listed));
    for command in COMMANDS {
        let help = desk.run(&[command, "--help"]).fine();
        let own: Vec<&str> = without_global(&help);
        page.push_str(&format!("\n## {command}\n\n```text\n{}\n```\n", own.join("\n").trim_end()));
        let parts = section(&help, "Commands:").filter_map(|line| line.split_whitespace().next());
        for part in parts.filter(|part| *part != "help") {
            let help = desk.run(&[command, part, "--help"]).fine();
            let own: Vec<&str> = without_global(&help);
            page.push_str(&format!("\n### {command} {part}\n\n```text\n{}\n```\n", own.join("\n").trim_end()));
        }
    }
    let path = repository("docs/cli.md");
    if std::env::var_os("SESSIONLAKE_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "docs/cli.md is stale: SESSIONLAKE_BLESS=1 cargo test --test it cli_page writes it anew");
}

/// The lines of a section of the help whose entries stand two blanks in.
fn section<'a>(help: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = help.lines().skip_while(move |line| *line != title).skip(1).take_while(|line| !line.is_empty());
    lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "))
}

/// Leaves out the section that every command repeats.
fn without_global(help: &str) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut global = false;
    for line in help.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            global = line == "Global options:";
        }
        if !global {
            kept.push(line);
        }
    }
    kept
}
