//! Who may name whom: the arrows of docs/architecture.md, checked on the text of `src/`.
//!
//! Comments do not count, and neither does test code: what follows a `#[cfg(test)]` with a body, and files that are named as tests.

use std::collections::BTreeSet;

use crate::support::{files_below, repository};

/// Which modules a module may name. Every module may name itself and `error`.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("schema", &[]),
    ("zones", &[]),
    ("functions", &["zones"]),
    ("script", &["functions", "zones"]),
    ("format", &["functions", "zones"]),
    ("generate", &["schema", "zones"]),
    ("shred", &["functions", "schema"]),
    ("lake", &["schema", "shred"]),
    ("ingest", &["lake", "schema", "shred", "zones"]),
    // Of ingest only the ledger, which lake_history shows.
    ("engine", &["functions", "ingest", "lake", "schema", "shred", "zones"]),
    ("report", &["engine", "script", "format", "schema", "zones"]),
    ("server", &["engine", "script", "format", "schema"]),
    ("cluster", &["engine"]),
];

/// What may be named only in some modules.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("deltalake::", &["lake"]),
    ("ballista", &["cluster"]),
    ("clap::", &["cli"]),
    ("clap_complete::", &["cli"]),
    ("clap_mangen::", &["cli"]),
    ("indicatif::", &["cli"]),
    ("println!", &["cli"]),
    ("print!(", &["cli"]),
    ("dbg!", &[]),
    ("process::exit", &["cli"]),
    ("ExitCode", &["cli", "main"]),
    ("std::env::", &["cli"]),
    ("Utc::now", &["cli"]),
    ("Local::now", &["cli"]),
    ("SystemTime::now", &["cli"]),
    ("Instant::now", &["cli"]),
    ("SessionContext::new", &["engine"]),
    ("SessionStateBuilder::new", &["engine"]),
];

/// Lines of a file at most.
const MOST_LINES: usize = 600;

/// Files that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

/// A file of `src/`.
struct Source {
    /// The path below `src/`.
    path: String,
    /// The first folder, or the name of a file at the top.
    module: String,
    /// The whole text.
    text: String,
    /// The text without comments and tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = repository("src");
    let mut sources = Vec::new();
    for file in files_below(&root) {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        if !path.ends_with(".rs") {
            continue;
        }
        let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let code = if is_test_file(&path) { String::new() } else { without_tests(&text) };
        sources.push(Source { path, module, text, code });
    }
    assert!(sources.len() > 50, "src/ was not found");
    sources
}

fn is_test_file(path: &str) -> bool {
    // The samples of data/, which only a test makes.
    if path.starts_with("generate/samples/") {
        return true;
    }
    let name = path.rsplit('/').next().unwrap().trim_end_matches(".rs");
    name == "tests" || name == "testing" || name.ends_with("_tests")
}

/// Drops comments, and whatever a `#[cfg(test)]` stands before. The repository is formatted, so an item ends with the first
/// closing brace in the column that it began in.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if bare == "#[cfg(test)]" {
            let indent = &line[..line.len() - bare.len()];
            let end = format!("{indent}}}");
            let first = lines.next().unwrap_or_default();
            if first.ends_with('{') {
                let _ = lines.by_ref().find(|line| *line == end);
            }
        } else if !bare.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// Lists the modules that code names by `crate::…`; a type or function at the top of the crate comes from `error`.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, text) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
            continue;
        }
        let rest = &code[at + text.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(items_of(group).iter().map(|item| module_of(item))),
            None => drop(found.insert(module_of(rest))),
        }
    }
    found
}

/// Cuts the inside of a brace group at the commas that stand in no deeper group.
fn items_of(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn module_of(path: &str) -> String {
    let name: String = path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.starts_with(char::is_uppercase) { "error".to_owned() } else { name }
}

#[test]
fn no_module_names_one_that_it_may_not() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !matches!(source.module.as_str(), "cli" | "main" | "lib")) {
        let Some((_, allowed)) = ARROWS.iter().find(|(module, _)| *module == source.module) else {
            wrong.push(format!("{}: the module is in no arrow of this test", source.path));
            continue;
        };
        for name in named(&source.code) {
            if name != source.module && name != "error" && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: {} may not name {name}", source.path, source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nsee docs/architecture.md, \"Who may import whom\"", wrong.join("\n"));
}

#[test]
fn what_belongs_to_some_modules_is_named_in_no_other() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            for (what, modules) in ONLY_IN {
                if line.contains(what) && !modules.contains(&source.module.as_str()) {
                    let number = number + 1;
                    wrong.push(format!("{}: {what} (line {number} without comments): {}", source.path, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_long_and_every_file_says_what_it_is() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let excepted = LONGER.iter().any(|(path, _)| *path == source.path);
        if lines > MOST_LINES && !excepted {
            wrong.push(format!("{}: {lines} lines; split it, or name it in LONGER with a reason", source.path));
        }
        if lines <= MOST_LINES && excepted {
            wrong.push(format!("{}: short enough now, take it out of LONGER", source.path));
        }
        if !source.text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with //!", source.path));
        }
        if source.path.matches('/').count() > 3 {
            wrong.push(format!("{}: folders are at most three deep under src", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups_paths_and_the_crate_itself() {
    let code = "use crate::{Error, lake::{Commit, Table}, schema};\nlet x = crate::ingest::run();\nuse mycrate::no;\n";
    let names: Vec<String> = named(code).into_iter().collect();
    assert_eq!(names, ["error", "ingest", "lake", "schema"]);
    let text =
        "use a;\n// use crate::b;\n#[cfg(test)]\nmod tests {\n    use crate::c;\n}\n#[cfg(test)]\nmod d;\nfn e() {}\n";
    assert_eq!(without_tests(text), "use a;\nfn e() {}\n");
}
