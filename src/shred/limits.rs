//! What the leaf columns of a file may take, and what users say of single paths.

use std::sync::Arc;

use super::leaf::{element_json_path, json_path};
use crate::json::{Path, Step};

/// A file is small beside a lake of so many times its rows.
const SMALL_SHARE: u64 = 16;

/// What the leaf columns of a file may take.
#[derive(Debug, Clone, Default)]
pub struct LeafLimits {
    /// Leaf columns at most; 0 makes none.
    pub columns: usize,
    /// Rows of the lake that the file is a part of, where they are known.
    pub lake_rows: u64,
    /// What users say of single paths.
    pub rules: Arc<PathRules>,
}

impl LeafLimits {
    /// Returns the limits of a file of which nothing else is known.
    pub fn of_columns(columns: usize) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Says whether a file of so many rows is small beside its lake: what its leaves take is then little, whatever part of the file it is.
    pub(super) fn is_small(&self, rows: usize) -> bool {
        (rows as u64).saturating_mul(SMALL_SHARE) <= self.lake_rows
    }
}

/// Which paths always have a place beside the text, and which never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathRules {
    included: Vec<Rule>,
    excluded: Vec<Rule>,
}

/// One path, or all below one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    column: String,
    path: Vec<String>,
    inside: Option<Vec<String>>,
    /// Whether all paths below are meant, and not the path itself.
    below: bool,
}

impl PathRules {
    /// Reads two lists of paths: `data.variables.order_id, data.details.*, data.events[*].type`. A path begins with the name of one of the JSON
    /// columns and goes on as a JSONPath does; `.*` at its end means all that is below it.
    ///
    /// # Errors
    /// The path that is none, and why.
    pub fn parse(included: &str, excluded: &str, columns: &[&str]) -> Result<Self, String> {
        let read = |list: &str| -> Result<Vec<Rule>, String> {
            let paths = split(list).into_iter().map(str::trim).filter(|path| !path.is_empty());
            paths.map(|path| Rule::parse(path, columns).map_err(|why| format!("`{path}`: {why}"))).collect()
        };
        Ok(Self { included: read(included)?, excluded: read(excluded)? })
    }

    pub(super) fn includes(&self, column: &str, path: &[String], inside: Option<&[String]>) -> bool {
        self.included.iter().any(|rule| rule.means(column, path, inside))
    }

    pub(super) fn excludes(&self, column: &str, path: &[String], inside: Option<&[String]>) -> bool {
        self.excluded.iter().any(|rule| rule.means(column, path, inside))
    }
}

impl Rule {
    fn parse(text: &str, columns: &[&str]) -> Result<Self, String> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (column, path) = text.split_at(end);
        if !columns.contains(&column) {
            return Err(format!("a path begins with one of {}", columns.join(", ")));
        }
        let (path, below) = match path.strip_suffix(".*") {
            Some(above) => (above, true),
            None => (path, false),
        };
        let keys = |path: &str| -> Result<Vec<String>, String> {
            let path = Path::parse(&format!("${path}")).map_err(|error| error.message)?;
            let steps = path.steps.ok_or("only names of keys, `[*]` and `.*` at the end are understood")?;
            let key = |step: Step| match step {
                Step::Key(key) | Step::Name(key) => Ok(key),
                Step::Index(_) => Err("single elements of arrays have no columns; `[*]` means all".to_owned()),
            };
            steps.into_iter().map(key).collect()
        };
        let (path, inside) = match path.split_once("[*]") {
            Some((path, inside)) => (keys(path)?, Some(keys(inside)?)),
            None => (keys(path)?, None),
        };
        if inside.as_ref().unwrap_or(&path).is_empty() && !below {
            return Err("a path names a key".to_owned());
        }
        Ok(Self { column: column.to_owned(), path, inside, below })
    }

    fn means(&self, column: &str, path: &[String], inside: Option<&[String]>) -> bool {
        self.column == column
            && match (&self.inside, self.below) {
                (None, false) => inside.is_none() && self.path == path,
                (None, true) => path.starts_with(&self.path) && (path.len() > self.path.len() || inside.is_some()),
                (Some(own), below) => {
                    let meant = |inside: &[String]| match below {
                        true => inside.starts_with(own) && inside.len() > own.len(),
                        false => inside == own.as_slice(),
                    };
                    self.path == path && inside.is_some_and(meant)
                }
            }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = match &self.inside {
            Some(inside) => element_json_path(&self.path, inside),
            None => json_path(&self.path),
        };
        write!(f, "{}{}{}", self.column, path.trim_start_matches('$'), if self.below { ".*" } else { "" })
    }
}

/// Splits a list at its commas, but for those inside of quotes.
fn split(list: &str) -> Vec<&str> {
    let mut quote = None;
    let mut parts = Vec::new();
    let mut start = 0;
    for (index, character) in list.char_indices() {
        match quote {
            Some(end) if end == character => quote = None,
            Some(_) => {}
            None if matches!(character, '\'' | '"') => quote = Some(character),
            None if matches!(character, ',' | '\n') => {
                parts.push(&list[start..index]);
                start = index + 1;
            }
            None => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 2] = ["data", "source_details"];

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn paths_all_below_one_and_those_inside_of_arrays_are_meant() {
        let list = "data.a.b, data.c.*,\n source_details['x, y'], data.e[*].t, data.f[*].*";
        let rules = PathRules::parse(list, "data.*", &COLUMNS).unwrap();
        let shown: Vec<String> = rules.included.iter().map(Rule::to_string).collect();
        assert_eq!(shown, ["data.a.b", "data.c.*", "source_details['x, y']", "data.e[*].t", "data.f[*].*"]);
        let included = |column: &str, path: &[&str], inside: Option<&[&str]>| {
            let inside = inside.map(keys);
            rules.includes(column, &keys(path), inside.as_deref())
        };
        assert!(included("data", &["a", "b"], None));
        assert!(!included("data", &["a"], None) && !included("data", &["a", "b", "c"], None));
        assert!(!included("source_details", &["a", "b"], None) && !included("data", &["a", "b"], Some(&["t"])));
        assert!(!included("data", &["c"], None) && included("data", &["c", "d", "e"], None));
        assert!(included("data", &["c"], Some(&["d"])), "elements are below their array");
        assert!(included("source_details", &["x, y"], None));
        assert!(included("data", &["e"], Some(&["t"])) && !included("data", &["e"], None));
        assert!(included("data", &["f"], Some(&["u", "v"])) && !included("data", &["f"], None));
        assert!(rules.excludes("data", &keys(&["z"]), None) && !rules.excludes("source_details", &keys(&["z"]), None));
        assert_eq!(PathRules::parse(" ", "", &COLUMNS).unwrap(), PathRules::default());
    }

    #[test]
    fn what_is_no_path_is_told() {
        for (list, why) in [
            ("date.a", "`date.a`: a path begins with one of data, source_details"),
            ("data.a, data", "`data`: a path names a key"),
            ("data.a[0]", "`data.a[0]`: single elements of arrays have no columns; `[*]` means all"),
            ("data..a", "`data..a`: only names of keys, `[*]` and `.*` at the end are understood"),
            ("data.a[*]", "`data.a[*]`: a path names a key"),
        ] {
            assert_eq!(PathRules::parse(list, "", &COLUMNS).unwrap_err(), why);
        }
        assert!(PathRules::parse("", "data.a[", &COLUMNS).unwrap_err().starts_with("`data.a[`: "));
    }

    #[test]
    fn a_file_is_small_beside_a_lake_of_sixteen_times_its_rows() {
        let limits = LeafLimits { lake_rows: 160, ..LeafLimits::of_columns(8) };
        assert!(limits.is_small(10) && !limits.is_small(11));
        assert!(!LeafLimits::of_columns(8).is_small(1));
    }
}
