//! Who may name whom, checked on the text of `src/`, and the drawing of it in docs/architecture.md.
//!
//! Comments do not count, and neither does test code: what follows a `#[cfg(test)]` with a body, and files that are named as tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{files_below, repository};

/// Which modules a module may name, and does. Every module may name itself and `error`; `cli` may name all.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("json", &[]),
    ("schema", &[]),
    ("zones", &[]),
    ("texts", &["json"]),
    ("functions", &["json", "texts", "zones"]),
    ("script", &["functions", "zones"]),
    ("format", &["functions", "json", "zones"]),
    ("generate", &["json", "schema", "zones"]),
    ("shred", &["json", "texts"]),
    ("lake", &["schema", "shred"]),
    ("ingest", &["json", "lake", "schema", "zones"]),
    ("engine", &["functions", "json", "lake", "schema", "shred", "texts", "zones"]),
    ("custody", &["engine", "ingest", "lake", "schema"]),
    ("report", &["engine", "format", "json", "script", "zones"]),
];

/// What may be named only in some modules.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("deltalake::", &["lake"]),
    // Of DataFusion's, lake and ingest know the values of statistics alone, and zones a helper of its.
    (
        "datafusion::",
        &["cli", "custody", "engine", "error", "functions", "ingest", "lake", "report", "script", "zones"],
    ),
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
    named_as(code, "crate::")
}

/// Lists the modules that code names behind a prefix.
fn named_as(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, text) in code.match_indices(prefix) {
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
    let imports = imports();
    for (module, allowed) in ARROWS {
        let is_named = |name: &str| imports.get(*module).is_some_and(|named| named.contains(name));
        let unused = allowed.iter().filter(|name| !is_named(name));
        wrong.extend(unused.map(|name| format!("{module} does not name {name}: take it out of ARROWS")));
    }
    assert!(wrong.is_empty(), "{}\nsee docs/architecture.md, \"Who may import whom\"", wrong.join("\n"));
}

/// Lists what each module names, but `error`.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().into_iter().filter(|source| !matches!(source.module.as_str(), "main" | "lib" | "error")) {
        let mut named = named(&source.code);
        // The command line is beside the library, and names it as others do.
        if source.module == "cli" {
            named.extend(named_as(&source.code, "sessionlake::"));
        }
        named.retain(|name| *name != source.module && name != "error");
        imports.entry(source.module).or_default().extend(named);
    }
    imports
}

/// Puts modules in an order in which each names later ones alone; those that cannot be put so are left out.
fn in_order(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<&str> {
    let mut order: Vec<&str> = Vec::new();
    loop {
        // From the bottom up: whatever names nothing but what is there already.
        let is_next = |(module, named): &(&String, &BTreeSet<String>)| {
            !order.contains(&module.as_str()) && named.iter().all(|name| order.contains(&name.as_str()))
        };
        let next: Vec<&str> = imports.iter().filter(is_next).map(|(module, _)| module.as_str()).rev().collect();
        if next.is_empty() {
            order.reverse();
            return order;
        }
        order.extend(next);
    }
}

/// Draws who names whom: a line for each module, a dot in the column of each that it names.
fn drawing(imports: &BTreeMap<String, BTreeSet<String>>) -> String {
    let order = in_order(imports);
    let mut lines: Vec<String> = Vec::new();
    let margin = " ".repeat(11);
    for (place, module) in order.iter().enumerate() {
        lines.push(format!("{margin}{}{module}", "│ ".repeat(place)));
    }
    for module in &order {
        let mark = |other: &&str| match () {
            () if other == module => "■ ",
            () if imports[*module].contains(*other) => "● ",
            () => "  ",
        };
        lines.push(format!("{module:<11}{}", order.iter().map(mark).collect::<String>()));
    }
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn the_drawing_of_imports_is_up_to_date() {
    const BEGIN: &str = "<!-- drawn by tests/it/imports.rs -->\n\n```text\n";
    let imports = imports();
    assert_eq!(in_order(&imports).len(), imports.len(), "some modules name each other in a circle");
    let path = repository("docs/architecture.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let start = page.find(BEGIN).unwrap() + BEGIN.len();
    let end = start + page[start..].find("```").unwrap();
    let drawn = format!("{}{}{}", &page[..start], drawing(&imports), &page[end..]);
    if std::env::var_os("SESSIONLAKE_BLESS").is_some() {
        std::fs::write(&path, drawn).unwrap();
    } else {
        assert!(page == drawn, "the drawing is stale: SESSIONLAKE_BLESS=1 cargo test --test it imports");
    }
}

#[test]
fn a_drawing_has_all_dots_above_its_diagonal_and_a_circle_has_none() {
    let imports = |arrows: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        arrows.iter().map(|(module, names)| ((*module).to_owned(), named(names))).collect()
    };
    let drawn = drawing(&imports(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]));
    let expected =
        "           c\n           │ b\n           │ │ a\nc          ■ ● ●\nb            ■ ●\na              ■\n";
    assert_eq!(drawn, expected);
    assert_eq!(in_order(&imports(&[("a", &["b"]), ("b", &["a"]), ("c", &[])])), ["c"]);
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

/// Lists the names that stand in a text between `before` and the first character that no name has.
fn names_behind<'a>(text: &'a str, before: &str) -> Vec<(usize, &'a str)> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let behind = text.match_indices(before).map(|(at, found)| (at, &text[at + found.len()..]));
    behind.map(|(at, rest)| (at, &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())])).collect()
}

#[test]
fn the_library_names_options_and_the_command_line_alone_has_flags() {
    // Programs of others have flags of the same names, SQL files have comments, and columns and functions are told of as in docs/.
    const OTHERS: &[&str] = &["psql --", "zstd -d --", "ingested with --keep-extra", "`--as-of` sets it"];
    let page = std::fs::read_to_string(repository("docs/cli.md")).unwrap();
    let mut flags: BTreeSet<&str> = names_behind(&page, "--").into_iter().map(|(_, name)| name).collect();
    flags.remove("");
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !matches!(source.module.as_str(), "cli" | "main")) {
        for line in source.code.lines() {
            let named =
                names_behind(line, "⟨").into_iter().filter(|(_, name)| !name.is_empty() && !flags.contains(name));
            wrong.extend(named.map(|(_, name)| format!("{}: no command has --{name}: {}", source.path, line.trim())));
            let is_own = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
            let has_flag = names_behind(line, "--").iter().any(|(at, name)| flags.contains(name) && is_own(*at));
            if has_flag && !OTHERS.iter().any(|others| line.contains(others)) {
                wrong.push(format!("{}: write ⟨option⟩ for --option: {}", source.path, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nsee CONTRIBUTING.md, \"House rules\"", wrong.join("\n"));
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
