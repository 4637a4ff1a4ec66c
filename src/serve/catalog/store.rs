//! The tables of pg_catalog and information_schema: which there are, from `relations.txt`, and their rows, from what a lake has.
//!
//! `relations.txt` has a line for each: schema, name, kind and oid, then columns with their types; `!` says that a column is never null.
//! Rows are made when a table is first asked for. Oids of our tables are made of their names, so that they are the same in every session.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, OnceLock};

use super::fault::{Fault, NO_OBJECT, NO_TABLE, Result};
use super::rows;
use super::types::{self, Type};
use super::value::{self, Value};

/// The schema of our tables.
pub const PUBLIC: u32 = 2200;
/// The schema of the catalog.
pub const PG_CATALOG: u32 = 11;
/// The schema of information_schema.
pub const INFORMATION_SCHEMA: u32 = 13207;
/// The role that everything belongs to.
pub const OWNER: u32 = 10;
/// The role of the caller.
pub const CALLER: u32 = 16384;
/// The database.
pub const DATABASE: u32 = 16383;
/// The name of the role that everything belongs to.
pub const OWNER_NAME: &str = "sessionlake";

/// What a catalog is made of.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The name of the database.
    pub database: String,
    /// Who asks.
    pub user: String,
    /// The version of PostgreSQL that clients may take the server for, and what it is.
    pub version: String,
    /// When the server was started, in microseconds since 1970.
    pub started: i64,
    /// The tables and views.
    pub tables: Vec<TableFact>,
    /// The functions.
    pub functions: Vec<FunctionFact>,
}

/// A table or a view.
#[derive(Debug, Clone)]
pub struct TableFact {
    /// Its name.
    pub name: String,
    /// The query of a view.
    pub definition: Option<String>,
    /// What it holds.
    pub meaning: String,
    /// Its columns: name, type, meaning.
    pub columns: Vec<(String, Type, String)>,
}

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionFact {
    /// Its name.
    pub name: String,
    /// Its schema.
    pub schema: u32,
    /// Its arguments: name and type.
    pub arguments: Vec<(String, Type)>,
    /// What it gives.
    pub gives: Type,
    /// `f` for functions, `a` for aggregates, `w` for window functions.
    pub kind: &'static str,
    /// What it does.
    pub meaning: String,
}

/// A table of the catalog.
#[derive(Debug)]
pub struct Relation {
    /// `pg_catalog` or `information_schema`.
    pub schema: &'static str,
    /// Its name.
    pub name: String,
    /// `r` or `v`.
    pub kind: String,
    /// Its oid.
    pub oid: u32,
    /// Its columns.
    pub columns: Vec<RelationColumn>,
}

/// A column of a table of the catalog.
#[derive(Debug)]
pub struct RelationColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// Whether it is never null.
    pub required: bool,
}

/// A row of a table.
pub type Row = Arc<[Value]>;
type Index = HashMap<Value, Vec<usize>>;
/// What a table or a function is in the catalog: its oid.
pub type Numbered<T> = Vec<(u32, T)>;

static RELATIONS: LazyLock<Vec<Relation>> = LazyLock::new(|| {
    let lines = include_str!("relations.txt").lines();
    lines.filter_map(relation).collect()
});

fn relation(line: &str) -> Option<Relation> {
    let (head, columns) = line.split_once(": ")?;
    let mut words = head.split(' ');
    let (schema, name) = words.next()?.split_once('.')?;
    let (kind, oid) = (words.next()?, words.next()?.parse().ok()?);
    let columns = columns.split(", ").filter_map(|column| {
        let (name, type_name) = column.split_once(' ')?;
        let (type_name, required) = type_name.strip_suffix('!').map_or((type_name, false), |name| (name, true));
        // The type "char" of PostgreSQL is not char of SQL.
        let kind = match type_name {
            "char" => Type::CHAR,
            "char[]" => Type::CHARS,
            other => types::named(other).unwrap_or(Type::TEXT),
        };
        Some(RelationColumn { name: name.to_owned(), kind, required })
    });
    let schema = if schema == "pg_catalog" { "pg_catalog" } else { "information_schema" };
    let (name, kind, columns) = (name.to_owned(), kind.to_owned(), columns.collect());
    Some(Relation { schema, name, kind, oid, columns })
}

/// Lists the tables of the catalog.
pub fn relations() -> &'static [Relation] {
    &RELATIONS
}

/// Says whether the catalog has a table of this name; without a schema, whether pg_catalog has it.
pub fn has_table(schema: Option<&str>, name: &str) -> bool {
    static NAMES: LazyLock<HashSet<(&str, &str)>> =
        LazyLock::new(|| RELATIONS.iter().map(|relation| (relation.schema, relation.name.as_str())).collect());
    NAMES.contains(&(schema.unwrap_or("pg_catalog"), name))
}

/// The catalog of a caller.
pub struct Catalog {
    facts: Facts,
    tables: Numbered<TableFact>,
    functions: Numbered<FunctionFact>,
    rows: Vec<OnceLock<Vec<Row>>>,
    indexes: Vec<OnceLock<HashMap<usize, Arc<Index>>>>,
    by_name: HashMap<(&'static str, &'static str), usize>,
    types: OnceLock<HashMap<String, u32>>,
    classes: OnceLock<HashMap<u32, (u32, String)>>,
    routines: OnceLock<HashMap<u32, String>>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// Makes an oid of a name, from a range of a million; names that would have the same get the next.
fn numbers<T>(from: u32, all: Vec<T>, name: impl Fn(&T) -> String) -> Numbered<T> {
    let mut taken = HashSet::new();
    let number = |all: T| {
        let hash =
            name(&all).bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let mut oid = from + hash % 900_000;
        while !taken.insert(oid) {
            oid += 1;
        }
        (oid, all)
    };
    all.into_iter().map(number).collect()
}

/// A session that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    pub process: i32,
    /// Whether it does something now.
    pub is_active: bool,
}

impl Catalog {
    /// Makes a catalog.
    pub fn new(mut facts: Facts) -> Self {
        facts.tables.sort_by(|a, b| a.name.cmp(&b.name));
        let tables = numbers(100_000, facts.tables.clone(), |table| table.name.clone());
        let functions = numbers(7_000_000, facts.functions.clone(), |function| {
            let arguments = function.arguments.iter().map(|(_, kind)| kind.name());
            format!("{}({})", function.name, arguments.collect::<Vec<_>>().join(","))
        });
        let by_name = RELATIONS.iter().enumerate();
        let by_name = by_name.map(|(at, relation)| ((relation.schema, relation.name.as_str()), at)).collect();
        Self {
            facts,
            tables,
            functions,
            rows: RELATIONS.iter().map(|_| OnceLock::new()).collect(),
            indexes: RELATIONS.iter().map(|_| OnceLock::new()).collect(),
            by_name,
            types: OnceLock::new(),
            classes: OnceLock::new(),
            routines: OnceLock::new(),
        }
    }

    /// What the catalog is made of.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The tables and views of the lake, with their oids.
    pub fn tables(&self) -> &Numbered<TableFact> {
        &self.tables
    }

    /// The functions, with their oids.
    pub fn functions(&self) -> &Numbered<FunctionFact> {
        &self.functions
    }

    /// Finds a table of the catalog, with its number.
    pub fn table(&self, schema: &str, name: &str) -> Option<(usize, &'static Relation)> {
        let at = *self.by_name.get(&(schema, name))?;
        Some((at, RELATIONS.get(at)?))
    }

    /// The rows of a table of the catalog.
    pub fn rows(&self, number: usize) -> &[Row] {
        match (self.rows.get(number), RELATIONS.get(number)) {
            (Some(rows), Some(relation)) => rows.get_or_init(|| rows::rows(self, relation)),
            _ => &[],
        }
    }

    /// The rows of `pg_stat_activity`: what a user may know of sessions, and nothing of what they ask.
    pub fn activity(&self, number: usize, sessions: &[Present]) -> Vec<Row> {
        let Some(relation) = RELATIONS.get(number) else { return Vec::new() };
        let row = |session: &Present| {
            let state = if session.is_active { "active" } else { "idle" };
            rows::row(
                relation,
                [
                    ("datid", Value::from(DATABASE)),
                    ("datname", Value::text(&self.facts.database)),
                    ("pid", Value::Int(session.process.into())),
                    ("usesysid", Value::from(CALLER)),
                    ("usename", Value::text(&self.facts.user)),
                    ("state", Value::text(state)),
                    ("query", Value::text("")),
                    ("backend_type", Value::text("client backend")),
                ],
            )
        };
        sessions.iter().map(row).collect()
    }

    /// The rows of a table by the values of a column; made for columns that are oids, since those are looked up.
    pub fn index(&self, number: usize, column: usize) -> Option<Arc<Index>> {
        let relation = RELATIONS.get(number)?;
        let indexes = self.indexes.get(number)?.get_or_init(|| {
            let of = |at: usize| {
                let mut index = Index::new();
                for (number, row) in self.rows(number).iter().enumerate() {
                    if let Some(value) = row.get(at).filter(|value| !value.is_null()) {
                        index.entry(value.clone()).or_default().push(number);
                    }
                }
                Arc::new(index)
            };
            let columns = relation.columns.iter().enumerate();
            columns.filter(|(_, column)| column.kind == Type::OID).map(|(at, _)| (at, of(at))).collect()
        });
        indexes.get(&column).map(Arc::clone)
    }

    fn classes(&self) -> &HashMap<u32, (u32, String)> {
        self.classes.get_or_init(|| {
            let ours = self.tables.iter().map(|(oid, table)| (*oid, (PUBLIC, table.name.clone())));
            let theirs = RELATIONS.iter().map(|relation| {
                let schema = if relation.schema == "pg_catalog" { PG_CATALOG } else { INFORMATION_SCHEMA };
                (relation.oid, (schema, relation.name.clone()))
            });
            ours.chain(theirs).collect()
        })
    }

    /// The schema and the name of a table.
    pub fn class(&self, oid: u32) -> Option<&(u32, String)> {
        self.classes().get(&oid)
    }

    fn routines(&self) -> &HashMap<u32, String> {
        self.routines.get_or_init(|| {
            let ours = self.functions.iter().map(|(oid, function)| (*oid, function.name.clone()));
            ours.chain(rows::functions_of_types()).collect()
        })
    }

    fn type_names(&self) -> &HashMap<String, u32> {
        self.types.get_or_init(|| {
            self.tables
                .iter()
                .flat_map(|(oid, table)| {
                    [(table.name.clone(), row_type(*oid)), (format!("_{}", table.name), row_array(*oid))]
                })
                .collect()
        })
    }

    /// The name in SQL of a type, which may be the type of a table's rows.
    pub fn type_name(&self, oid: u32, modifier: Option<i64>) -> String {
        if types::known(oid).is_none() && oid != 0 {
            let table = |at: u32| self.tables.iter().find(|(number, _)| at == *number);
            if let Some((_, table)) = oid.checked_sub(row_type(0)).and_then(table) {
                return quoted(&table.name);
            }
            if let Some((_, table)) = oid.checked_sub(row_array(0)).and_then(table) {
                return format!("{}[]", quoted(&table.name));
            }
        }
        types::sql_name(oid, modifier)
    }

    /// The name of a role.
    pub fn role(&self, oid: u32) -> Option<&str> {
        match oid {
            OWNER => Some(OWNER_NAME),
            CALLER if self.facts.user != OWNER_NAME => Some(&self.facts.user),
            _ => None,
        }
    }

    /// The oid of a role.
    pub fn role_of(&self, name: &str) -> Option<u32> {
        [OWNER, CALLER].into_iter().find(|oid| self.role(*oid) == Some(name))
    }

    /// The name of a schema.
    pub fn schema(oid: u32) -> Option<&'static str> {
        Some(match oid {
            PG_CATALOG => "pg_catalog",
            PUBLIC => "public",
            INFORMATION_SCHEMA => "information_schema",
            _ => return None,
        })
    }

    /// The oid of a schema.
    pub fn schema_of(name: &str) -> Option<u32> {
        [PG_CATALOG, PUBLIC, INFORMATION_SCHEMA].into_iter().find(|oid| Self::schema(*oid) == Some(name))
    }

    /// Writes the number of an object as its name, as regclass and its like are written.
    pub fn reference(&self, oid: u32, kind: Type) -> String {
        if oid == 0 {
            return "-".to_owned();
        }
        let name = match kind {
            Type::REGCLASS => self.class(oid).map(|(schema, name)| match *schema {
                INFORMATION_SCHEMA => format!("information_schema.{}", quoted(name)),
                _ => quoted(name),
            }),
            Type::REGTYPE => Some(self.type_name(oid, None)).filter(|name| name != "???"),
            Type::REGNAMESPACE => Self::schema(oid).map(quoted),
            Type::REGROLE => self.role(oid).map(quoted),
            Type::REGPROC | Type::REGPROCEDURE => self.routines().get(&oid).cloned(),
            Type::REGCOLLATION if oid == 100 => Some("\"default\"".to_owned()),
            Type::REGCOLLATION if oid == 950 => Some("\"C\"".to_owned()),
            _ => None,
        };
        name.unwrap_or_else(|| oid.to_string())
    }

    /// Reads the name or the number of an object.
    ///
    /// # Errors
    /// An object that is not there.
    pub fn referred(&self, text: &str, kind: Type) -> Result<Value> {
        let text = text.trim();
        if text == "-" {
            return Ok(Value::Int(0));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return value::read(text, Type::OID);
        }
        self.find(text, kind).map(Value::from).ok_or_else(|| match kind {
            Type::REGCLASS => Fault::new(NO_TABLE, format!("relation \"{text}\" does not exist")),
            Type::REGTYPE => Fault::new(NO_OBJECT, format!("type \"{text}\" does not exist")),
            Type::REGNAMESPACE => Fault::new("3F000", format!("schema \"{text}\" does not exist")),
            Type::REGROLE => Fault::new(NO_OBJECT, format!("role \"{text}\" does not exist")),
            _ => Fault::new("42883", format!("\"{text}\" does not exist")),
        })
    }

    /// Finds an object by its name, which may have a schema before it and quotes.
    pub fn find(&self, text: &str, kind: Type) -> Option<u32> {
        if kind == Type::REGTYPE {
            let parts = names(text.trim_end_matches("[]"))?;
            let ours = parts.last().and_then(|name| self.type_names().get(name)).copied();
            return types::named(text).map(|kind| kind.0).or(ours);
        }
        let parts = names(text.split('(').next().unwrap_or(text))?;
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name),
            [schema, name] | [_, schema, name] => (Some(Self::schema_of(schema)?), name),
            _ => return None,
        };
        match kind {
            Type::REGCLASS => {
                let is_here = |of: u32| schema.map_or(of != INFORMATION_SCHEMA, |schema| schema == of);
                let mut found = self.classes().iter().filter(|(_, (of, known))| known == name && is_here(*of));
                found.next().map(|(oid, _)| *oid)
            }
            Type::REGNAMESPACE => Self::schema_of(name),
            Type::REGROLE => self.role_of(name),
            Type::REGPROC | Type::REGPROCEDURE => {
                self.routines().iter().filter(|(_, known)| *known == name).map(|(oid, _)| *oid).min()
            }
            Type::REGCOLLATION => match name.as_str() {
                "default" => Some(100),
                "C" => Some(950),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The oid of the type of a table's rows.
pub fn row_type(table: u32) -> u32 {
    table + 2_000_000
}

/// The oid of the type of arrays of a table's rows.
pub fn row_array(table: u32) -> u32 {
    table + 4_000_000
}

/// Quotes a name where it needs that.
pub fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$'))
        && !super::words::is_reserved(name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Takes a name of several parts apart.
pub fn names(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut characters) = (Vec::new(), String::new(), text.trim().chars().peekable());
    loop {
        match characters.next() {
            None => {
                parts.push(part);
                return Some(parts);
            }
            Some('.') => parts.push(std::mem::take(&mut part)),
            Some('"') => loop {
                match characters.next()? {
                    '"' if characters.peek() == Some(&'"') => {
                        characters.next();
                        part.push('"');
                    }
                    '"' => break,
                    other => part.push(other),
                }
            },
            Some(other) => part.extend(other.to_lowercase()),
        }
    }
}
