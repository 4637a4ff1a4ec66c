//! Who may name whom, checked on the text of `src/`, and the drawing of it in docs/architecture.md.
//!
//! Comments do not count, and neither does test code: what follows a `#[cfg(test)]` with a body, and files that are named as tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{files_below, repository};

/// Which modules a module may name, and does. Every module may name itself and `error`; `cli` may name all.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("net", &[]),
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
    ("custody", &["engine", "ingest", "lake", "schema", "shred"]),
    ("report", &["engine", "format", "json", "script", "zones"]),
    ("cluster", &["engine", "lake", "net", "schema", "zones"]),
    ("serve", &["engine", "format", "functions", "lake", "net", "report", "schema", "script", "zones"]),
    ("fuzz", &["engine", "ingest", "json", "lake", "report", "script", "serve", "shred"]),
];

/// What may be named only in some modules.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("deltalake::", &["lake"]),
    // Of DataFusion's, lake and ingest know the values of statistics alone, and zones a helper of its.
    (
        "datafusion::",
        &[
            "cli",
            "cluster",
            "custody",
            "engine",
            "error",
            "functions",
            "ingest",
            "lake",
            "report",
            "script",
            "serve",
            "zones",
        ],
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

/// Files that name each other in a circle, and what holds them together; no others may.
const CIRCLES: &[(&[&str], &str)] = &[
    (&["json/block", "json/paths", "json/skim"], "a walk of one pass, by blocks of bytes"),
    (
        &["shred/computed", "shred/document", "shred/elements", "shred/leaf", "shred/manifest", "shred/pools"],
        "leaves are named by the paths that the walk finds",
    ),
    (
        &[
            "lake/claims",
            "lake/compacted",
            "lake/damage",
            "lake/deletions",
            "lake/footer",
            "lake/history",
            "lake/ids",
            "lake/read",
            "lake/snapshot",
            "lake/table",
        ],
        "a table reads its log, which names the files of the table",
    ),
    (&["engine/config", "engine/series"], "a session computes what the arguments of its series say"),
    (&["functions/json/calls", "functions/json/plain"], "a function of the table is asked what the table says of it"),
    (
        &["serve/catalog/functions", "serve/catalog/functions/sets", "serve/catalog/plan", "serve/catalog/run"],
        "a plan names the functions that it calls, which ask the run that calls them",
    ),
    (
        &["serve/catalog/information", "serve/catalog/rows", "serve/catalog/store"],
        "a catalog makes the rows of a table of what it holds, when they are asked for",
    ),
    (&["report/redact/key", "report/redact/phone"], "phone numbers are masked by the key that masks them"),
    (
        &["serve/catalog/functions", "serve/catalog/functions/sets", "serve/catalog/plan", "serve/catalog/run"],
        "a plan holds the functions that its run calls",
    ),
    (
        &["serve/catalog/information", "serve/catalog/rows", "serve/catalog/store"],
        "the catalog makes the rows of a table when they are first asked for",
    ),
    (
        &["generate/content", "generate/odd", "generate/session", "generate/shape"],
        "what is odd of a session is drawn with it",
    ),
];

/// Lists the paths that code names from `crate` or `super` on, groups taken apart: `["super", "csv", "Fields"]`.
fn paths_in(code: &str) -> Vec<Vec<&str>> {
    let mut paths = Vec::new();
    for prefix in ["crate::", "super::"] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                expand(&code[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Adds the paths that a tree of names begins with.
fn expand<'a>(tree: &'a str, before: &mut Vec<&'a str>, paths: &mut Vec<Vec<&'a str>>) {
    let depth = before.len();
    let mut rest = tree.trim_start();
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            before.push(&rest[..end]);
        }
        match rest[end..].strip_prefix("::") {
            Some(group) if group.starts_with('{') => {
                items_of(&group[1..]).into_iter().for_each(|item| expand(item, before, paths));
                break;
            }
            Some(next) if end > 0 => rest = next,
            _ => {
                paths.push(before.clone());
                break;
            }
        }
    }
    before.truncate(depth);
}

/// Returns the file that an item is from: the one of the longest part of its path, or the one that this hands it on from.
fn file_of(path: &[String], codes: &BTreeMap<Vec<String>, String>) -> Option<Vec<String>> {
    let module = (1..=path.len()).rev().map(|count| &path[..count]).find(|part| codes.contains_key(*part))?;
    let Some(item) = path.get(module.len()) else { return Some(module.to_vec()) };
    for (at, _) in codes[module].match_indices("pub").filter(|(at, _)| *at == 0 || codes[module][..*at].ends_with('\n'))
    {
        let line = codes[module][at..].split(';').next().unwrap_or_default();
        let Some((_, tree)) = line.split_once(" use ") else { continue };
        let mut found = Vec::new();
        expand(tree, &mut Vec::new(), &mut found);
        if let Some(from) = found.iter().find(|names| names.last() == Some(&item.as_str())) {
            let from = module.iter().cloned().chain(from.iter().map(|name| (*name).to_owned())).collect::<Vec<_>>();
            let inside = (module.len() + 1..from.len()).rev().map(|count| &from[..count]);
            return inside.into_iter().find(|part| codes.contains_key(*part)).or(Some(module)).map(<[String]>::to_vec);
        }
    }
    Some(module.to_vec())
}

/// Lists which files name which, without those that one is in the folder of.
fn files_named() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let of_library = sources.iter().filter(|source| !matches!(source.module.as_str(), "main" | "lib"));
    let codes: BTreeMap<Vec<String>, String> = of_library
        .filter(|source| !is_test_file(&source.path))
        .map(|source| {
            let path = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
            (path.split('/').map(str::to_owned).collect(), source.code.clone())
        })
        .collect();
    let named = |(module, code): (&Vec<String>, &String)| {
        let absolute = |path: Vec<&str>| {
            let ups = path.iter().take_while(|name| **name == "super").count();
            let base = if ups > 0 { module.get(..module.len().checked_sub(ups)?)? } else { &[] };
            let rest = path.iter().skip(ups.max(1)).map(|name| (*name).to_owned());
            file_of(&base.iter().cloned().chain(rest).collect::<Vec<_>>(), &codes)
        };
        let is_apart = |file: &Vec<String>| !file.starts_with(module) && !module.starts_with(file);
        let files = paths_in(code).into_iter().filter_map(absolute).filter(is_apart);
        (module.join("/"), files.map(|file| file.join("/")).collect())
    };
    codes.iter().map(named).collect()
}

/// Returns all that is reached from a file.
fn reached<'a>(from: &'a str, named: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for other in named.get(file).into_iter().flatten() {
            if reached.insert(other.as_str()) {
                next.push(other);
            }
        }
    }
    reached
}

#[test]
fn no_files_name_each_other_in_a_circle_but_those_that_are_listed() {
    let named = files_named();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        named.keys().map(|file| (file.as_str(), reached(file, &named))).collect();
    let circles: BTreeSet<Vec<&str>> = reached
        .iter()
        .filter(|(file, others)| others.contains(*file))
        .map(|(file, others)| others.iter().copied().filter(|other| reached[other].contains(file)).collect())
        .collect();
    let listed: BTreeSet<Vec<&str>> = CIRCLES.iter().map(|(files, _)| files.to_vec()).collect();
    let told = |circles: BTreeSet<&Vec<&str>>| -> Vec<String> {
        let names = |file: &str, circle: &[&str]| {
            let others = named[file].iter().filter(|other| circle.contains(&other.as_str()));
            format!("    {file} names {}", others.cloned().collect::<Vec<_>>().join(", "))
        };
        circles.iter().map(|it| it.iter().map(|file| names(file, it)).collect::<Vec<_>>().join("\n")).collect()
    };
    let new = told(circles.difference(&listed).collect());
    assert!(new.is_empty(), "files name each other in a circle: move what both need below both\n{}", new.join("\n\n"));
    assert_eq!(listed.difference(&circles).collect::<Vec<_>>(), Vec::<&Vec<&str>>::new(), "take them out of CIRCLES");
}

#[test]
fn paths_are_taken_apart_and_items_are_found_where_they_are_from() {
    let code = "use super::{a::B, c::{self, d::E}};\nlet x = crate::f::g(super::super::h);";
    let mut paths = paths_in(code);
    paths.sort();
    let expected: [&[&str]; 5] = [
        &["crate", "f", "g"],
        &["super", "a", "B"],
        &["super", "c", "d", "E"],
        &["super", "c", "self"],
        &["super", "super", "h"],
    ];
    assert_eq!(paths, expected);
    let owned = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let codes =
        [("a", "pub use b::{C, D};\n"), ("a/b", ""), ("a/e", "")].map(|(file, code)| (owned(file), code.to_owned()));
    let codes = codes.into();
    for (path, file) in [("a/C", "a/b"), ("a/X", "a"), ("a/e/Y", "a/e")] {
        assert_eq!(file_of(&owned(path), &codes), Some(owned(file)), "{path}");
    }
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
