//! Pages that are written by hand and must stay true: docs/data-model.md and docs/architecture.md.

use sessionlake::engine::TABLES;
use sessionlake::schema::{COLUMNS, Kind};

use crate::support::{files_below, repository};

fn page(name: &str) -> String {
    std::fs::read_to_string(repository(name)).unwrap()
}

/// Joins wrapped lines, so that a phrase is found wherever it is broken.
fn paragraphs(page: &str) -> Vec<String> {
    page.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Lists what stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_of_the_data_model_has_every_column_table_warning_and_exit_code() {
    let page = page("docs/data-model.md");
    let mut missing = Vec::new();
    let mut needs = |line: String| {
        if !page.contains(&line) {
            missing.push(line);
        }
    };
    for column in &COLUMNS {
        let kind = match column.kind {
            Kind::Text => "text",
            Kind::Json => "json",
            Kind::Timestamp => "timestamp",
            Kind::Seconds => "seconds",
        };
        let required = if column.required { ", required" } else { "" };
        let aliases = column.aliases.join(", ");
        needs(format!("| `{}` | {} | {kind}{required} | {aliases} |\n", column.name, column.documented));
    }
    for table in TABLES {
        needs(format!("| `{}` | ", table.name));
    }
    let source = std::fs::read_to_string(repository("src/lake/ledger.rs")).unwrap();
    let kinds = source.split("pub enum Warning {").nth(1).unwrap().split("\n}").next().unwrap();
    let kinds: Vec<&str> = kinds.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
    assert!(kinds.len() >= 7, "{kinds:?}");
    for kind in kinds {
        let snake: String = kind
            .chars()
            .flat_map(|c| [c.is_uppercase().then_some('_'), Some(c.to_ascii_lowercase())])
            .flatten()
            .collect();
        needs(format!("| `{}` | ", snake.trim_start_matches('_')));
    }
    for code in ["0", "1", "2", "3", "4", "5", "6", "129, 130, 143"] {
        needs(format!("| {code} | "));
    }
    assert!(missing.is_empty(), "docs/data-model.md lacks\n{}", missing.join("\n"));
}

#[test]
fn every_invariant_says_how_it_is_checked_by_tests_that_exist() {
    let mut code = String::new();
    for folder in ["src", "tests"] {
        for file in files_below(&repository(folder)).iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
            code.push_str(&std::fs::read_to_string(file).unwrap());
        }
    }
    let mut wrong = Vec::new();
    let mut invariants = 0;
    for paragraph in paragraphs(&page("docs/architecture.md")) {
        let Some(text) = paragraph.strip_prefix("**Invariant:**") else { continue };
        invariants += 1;
        let (_, check) = text.split_once("Checked by ").unwrap_or((text, ""));
        let tests: Vec<&str> = quoted(check).into_iter().filter(|name| name.contains('_')).collect();
        if tests.is_empty() && !text.contains("y review") {
            wrong.push(format!("says not how it is checked: {text}"));
        }
        wrong.extend(
            tests.iter().filter(|test| !code.contains(&format!("fn {test}("))).map(|test| format!("no test {test}")),
        );
    }
    assert!(invariants > 10 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_of_the_architecture_names_files_that_are_there() {
    let page = page("docs/architecture.md");
    let mut missing: Vec<&str> =
        quoted(&page).into_iter().filter(|name| name.contains('/') && name.ends_with(".rs")).collect();
    missing.retain(|name| !repository(name).exists() && !repository("src").join(name).exists());
    assert!(missing.is_empty(), "docs/architecture.md names {missing:?}");
    let modules = page.split("## Code map").nth(1).unwrap();
    for entry in std::fs::read_dir(repository("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = matches!(name.as_str(), "lib.rs" | "main.rs");
        assert!(known || modules.contains(&format!("- `{}", name)), "{name} is not in the code map");
    }
}
