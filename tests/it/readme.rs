//! Runs the transcripts of README.md and docs/.
//!
//! In a block that is marked `console`, a line that begins with `$ ` is a command and the lines up to the next one are what it
//! prints, stdout before stderr. `$ sessionlake …` runs the built binary in a folder with copies of `data/` and `queries/`; the
//! blocks of a page share the folder, so what one ingests the next can query. `$ echo $?` prints the exit code of the command
//! before it, and must stand after one that fails. In the expected lines `…` stands for any text within a line, and a line that is
//! only `…` for any number of lines. Blocks with any other mark are not run.

use crate::support::{Desk, Ran, files_below, finish, repository};

/// One command of a transcript.
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut within = false;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), within) {
            (Some(mark), false) => within = mark.trim() == "console",
            (Some(_), true) => within = false,
            (None, false) => {}
            (None, true) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { line: index + 1, command: command.to_owned(), expected: Vec::new() });
                }
                (None, Some(step)) => step.expected.push(line.to_owned()),
                (None, None) => panic!("line {}: a transcript begins with a command", index + 1),
            },
        }
    }
    steps
}

/// Cuts a command into words: blanks part them, single and double quotes keep them together, a backslash within double quotes
/// takes the next character as it is.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Says whether lines are those expected.
fn lines_match(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skipped| lines_match(rest, &lines[skipped..])),
        Some((first, rest)) => {
            lines.first().is_some_and(|line| line_matches(first, line)) && lines_match(rest, &lines[1..])
        }
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return expected == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Runs the transcripts of a page and returns how many commands it had.
fn run_page(name: &str, page: &str, wrong: &mut Vec<String>) -> usize {
    let desk = Desk::new();
    let mut told = true;
    let mut before: Option<(usize, Ran)> = None;
    let steps = steps(page);
    for step in &steps {
        let at = format!("{name}:{}", step.line);
        if step.command == "echo $?" {
            let code = before.as_ref().map_or(0, |(_, ran)| ran.code);
            if step.expected != [code.to_string()] {
                wrong.push(format!("{at}: the exit code is {code}, not {:?}", step.expected));
            }
            told = true;
            continue;
        }
        if !told {
            wrong.push(format!("{at}: the command before fails; show it with $ echo $?"));
        }
        let words = words(&step.command);
        let Some(("sessionlake", arguments)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
            wrong.push(format!("{at}: cannot run {:?}; mark the block otherwise", step.command));
            continue;
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = finish(&mut desk.command(&arguments));
        let printed = format!("{}{}", ran.out, ran.err);
        let lines: Vec<&str> = printed.lines().collect();
        if !lines_match(&step.expected, &lines) {
            wrong.push(format!("{at}: {}\nprints\n{printed}", step.command));
        }
        told = ran.code == 0;
        before = Some((step.line, ran));
    }
    if !told {
        wrong.push(format!("{name}: the last command fails; show it with $ echo $?"));
    }
    steps.len()
}

#[test]
fn every_transcript_shows_what_the_commands_print() {
    let (mut wrong, mut commands) = (Vec::new(), 0);
    let mut pages = vec![repository("README.md")];
    pages.extend(
        files_below(&repository("docs")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    for path in pages {
        let name = path.strip_prefix(repository("")).unwrap().display().to_string();
        let page = std::fs::read_to_string(&path).unwrap();
        let count = run_page(&name, &page, &mut wrong);
        assert!(name != "README.md" || count > 5, "README.md has no tour");
        commands += count;
    }
    assert!(wrong.is_empty(), "{} of {commands} commands differ:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn the_first_command_of_the_readme_prints_a_result() {
    let page = std::fs::read_to_string(repository("README.md")).unwrap();
    let command = page.lines().find_map(|line| line.strip_prefix("cargo run -q -- ")).unwrap();
    let arguments = words(command);
    assert!(arguments.iter().any(|word| word == "data/workflow_sessions.csv"), "{command}");
    let query = arguments.iter().find(|word| word.ends_with(".sql")).unwrap();
    if !repository("queries").is_dir() {
        // A source archive of the crate without its queries: the command is for a clone.
        return;
    }
    assert!(repository(query).is_file(), "{query} is not there");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let out = Desk::new().run(&arguments).fine();
    assert!(out.contains(" rows)"), "{out}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"].map(repository).to_vec();
    pages.extend(files_below(&repository("docs")));
    for path in pages.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let page = std::fs::read_to_string(path).unwrap();
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            if !path.parent().unwrap().join(file).exists() {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_transcripts_knows_quotes_and_gaps() {
    assert_eq!(words("a 'b c' --d=\"e 'f'\" '' \"\\\"g\\\"\""), ["a", "b c", "--d=e 'f'", "", "\"g\""]);
    assert!(line_matches("at … UTC", "at noon UTC") && !line_matches("at … UTC", "at noon"));
    assert!(line_matches("x", "x") && !line_matches("x", "xy"));
    let expected = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(lines_match(&expected(&["a", "…", "d"]), &["a", "b", "c", "d"]));
    assert!(!lines_match(&expected(&["a", "…", "d"]), &["a", "b"]));
    let page = "```sh\n$ no\n```\n```console\n$ one\nout\n\n$ two\n```\n";
    let steps: Vec<_> = steps(page).into_iter().map(|step| (step.line, step.command, step.expected)).collect();
    assert_eq!(steps, [(5, "one".to_owned(), expected(&["out", ""])), (8, "two".to_owned(), vec![])]);
}
