//! Functions that give rows.

use super::super::fault::{Fault, LIMIT, Result};
use super::super::plan::Column;
use super::super::run::Run;
use super::super::types::Type as T;
use super::super::value::Value;
use super::super::words;

/// The most rows of a series.
const MOST_ROWS: usize = 1_000_000;

/// Computes the rows of a function for its arguments.
pub type Rows = fn(&Run<'_>, &[Value]) -> Result<Vec<Vec<Value>>>;

/// A function that gives rows.
pub struct SetRoutine {
    /// Its name.
    pub name: &'static str,
    /// What it takes; `UNKNOWN` for anything.
    pub takes: &'static [T],
    /// The columns of its rows.
    pub columns: fn(&[T]) -> Vec<Column>,
    /// What computes them.
    pub run: Rows,
}

impl std::fmt::Debug for SetRoutine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn columns<const N: usize>(all: [(&str, T); N]) -> Vec<Column> {
    all.map(|(name, kind)| Column { name: name.to_owned(), kind }).to_vec()
}

fn element(kinds: &[T]) -> T {
    kinds.first().and_then(|kind| kind.element()).unwrap_or(T::TEXT)
}

fn list(args: &[Value]) -> &[Value] {
    args.first().and_then(Value::as_list).map(|list| list.items.as_slice()).unwrap_or_default()
}

fn series(args: &[Value]) -> Result<Vec<Vec<Value>>> {
    let number = |at: usize| args.get(at).and_then(Value::as_int);
    let (Some(from), Some(to)) = (number(0), number(1)) else { return Ok(Vec::new()) };
    let step = if args.len() > 2 { number(2) } else { Some(1) };
    let Some(step) = step.filter(|step| *step != 0) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    let mut at = from;
    while (step > 0 && at <= to) || (step < 0 && at >= to) {
        if rows.len() >= MOST_ROWS {
            return Err(Fault::new(LIMIT, format!("a series of more than {MOST_ROWS} rows")));
        }
        rows.push(vec![Value::Int(at)]);
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(rows)
}

static SETS: &[SetRoutine] = &[
    SetRoutine {
        name: "unnest",
        takes: &[T::TEXTS],
        columns: |kinds| columns([("unnest", element(kinds))]),
        run: |_, args| Ok(list(args).iter().map(|item| vec![item.clone()]).collect()),
    },
    SetRoutine {
        name: "generate_series",
        takes: &[T::INT4, T::INT4, T::INT4],
        columns: |kinds| {
            let is_long = kinds.contains(&T::INT8);
            columns([("generate_series", if is_long { T::INT8 } else { T::INT4 })])
        },
        run: |_, args| series(args),
    },
    SetRoutine {
        name: "generate_subscripts",
        takes: &[T::TEXTS, T::INT4, T::BOOL],
        columns: |_| columns([("generate_subscripts", T::INT4)]),
        run: |_, args| {
            let Some(list) = args.first().and_then(Value::as_list) else { return Ok(Vec::new()) };
            if args.get(1).and_then(Value::as_int) != Some(1) {
                return Ok(Vec::new());
            }
            let last = list.first + i64::try_from(list.items.len()).unwrap_or_default() - 1;
            series(&[Value::Int(list.first), Value::Int(last)])
        },
    },
    SetRoutine {
        name: "_pg_expandarray",
        takes: &[T::INT2S],
        columns: |kinds| columns([("x", element(kinds)), ("n", T::INT4)]),
        run: |_, args| Ok((1_i64..).zip(list(args)).map(|(n, item)| vec![item.clone(), Value::Int(n)]).collect()),
    },
    SetRoutine {
        name: "regexp_split_to_table",
        takes: &[T::TEXT, T::TEXT, T::TEXT],
        columns: |_| columns([("regexp_split_to_table", T::TEXT)]),
        run: |run, args| {
            let text = |at: usize| args.get(at).and_then(Value::as_text);
            let (Some(whole), Some(pattern)) = (text(0), text(1)) else { return Ok(Vec::new()) };
            let pattern = run.pattern(pattern, false)?;
            Ok(pattern.split(whole).map(|part| vec![Value::text(part)]).collect())
        },
    },
    SetRoutine {
        name: "string_to_table",
        takes: &[T::TEXT, T::TEXT],
        columns: |_| columns([("string_to_table", T::TEXT)]),
        run: |_, args| {
            let text = |at: usize| args.get(at).and_then(Value::as_text);
            let (Some(whole), Some(between)) = (text(0), text(1)) else { return Ok(Vec::new()) };
            Ok(whole.split(between).map(|part| vec![Value::text(part)]).collect())
        },
    },
    SetRoutine {
        name: "pg_get_keywords",
        takes: &[],
        columns: |_| {
            columns([
                ("word", T::TEXT),
                ("catcode", T::CHAR),
                ("barelabel", T::BOOL),
                ("catdesc", T::TEXT),
                ("baredesc", T::TEXT),
            ])
        },
        run: |_, _| {
            let word = |word: &str, code: &str, about: &str| {
                let (code, about) = (Value::text(code), Value::text(about));
                vec![Value::text(word), code, Value::Bool(true), about, Value::text("can be bare label")]
            };
            let reserved = words::reserved().map(|text| word(text, "R", "reserved"));
            Ok(reserved.chain(words::free().map(|text| word(text, "U", "unreserved"))).collect())
        },
    },
    SetRoutine {
        name: "aclexplode",
        takes: &[T::TEXTS],
        columns: |_| {
            columns([("grantor", T::OID), ("grantee", T::OID), ("privilege_type", T::TEXT), ("is_grantable", T::BOOL)])
        },
        run: |_, _| Ok(Vec::new()),
    },
    SetRoutine {
        name: "pg_options_to_table",
        takes: &[T::TEXTS],
        columns: |_| columns([("option_name", T::TEXT), ("option_value", T::TEXT)]),
        run: |_, _| Ok(Vec::new()),
    },
    SetRoutine {
        name: "pg_partition_ancestors",
        takes: &[T::REGCLASS],
        columns: |_| columns([("relid", T::REGCLASS)]),
        run: |_, _| Ok(Vec::new()),
    },
    SetRoutine {
        name: "pg_partition_tree",
        takes: &[T::REGCLASS],
        columns: |_| {
            columns([("relid", T::REGCLASS), ("parentrelid", T::REGCLASS), ("isleaf", T::BOOL), ("level", T::INT4)])
        },
        run: |_, _| Ok(Vec::new()),
    },
    SetRoutine {
        name: "pg_get_publication_tables",
        takes: &[T::TEXT],
        columns: |_| columns([("relid", T::OID), ("attrs", T::INT2VECTOR), ("qual", T::TEXT)]),
        run: |_, _| Ok(Vec::new()),
    },
];

/// Finds a function that gives rows by its name.
pub fn set(name: &str) -> Option<&'static SetRoutine> {
    SETS.iter().find(|set| set.name == name)
}
