//! The rows of the tables of pg_catalog.
//!
//! Columns that are not given have the nothing of their type: null where they may be null, else zero, false or an empty text.

use std::sync::Arc;

use super::information;
use super::settings::{SERVER_VERSION, SETTINGS};
use super::store::{
    CALLER, Catalog, DATABASE, INFORMATION_SCHEMA, OWNER, OWNER_NAME, PG_CATALOG, PUBLIC, Relation, Row, relations,
    row_array, row_type,
};
use super::types::{self, Held, Type};
use super::value::Value;

/// The language of functions that are part of the program.
const INTERNAL: u32 = 12;
/// The way that tables are kept.
const HEAP: u32 = 2;
/// The collation that is used where none is named.
const COLLATION: u32 = 100;

/// Makes a row of some of its columns.
pub(super) fn row<'a>(relation: &Relation, given: impl IntoIterator<Item = (&'a str, Value)>) -> Row {
    let mut row: Vec<Value> = relation
        .columns
        .iter()
        .map(|column| match column.kind.held() {
            _ if !column.required => Value::Null,
            Held::Bool => Value::Bool(false),
            Held::Int => Value::Int(0),
            Held::Float => Value::Float(0.0),
            Held::Instant => Value::Instant(0),
            Held::List => Value::list(Vec::new()),
            Held::Text | Held::Row => Value::text(""),
        })
        .collect();
    for (name, value) in given {
        let at = relation.columns.iter().position(|column| column.name == name);
        if let Some(cell) = at.and_then(|at| row.get_mut(at)) {
            *cell = value;
        }
    }
    Arc::from(row)
}

fn rows_of<const N: usize>(relation: &Relation, all: impl IntoIterator<Item = [(&'static str, Value); N]>) -> Vec<Row> {
    all.into_iter().map(|given| row(relation, given)).collect()
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn oid(oid: u32) -> Value {
    Value::from(oid)
}

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Makes the rows of a table of the catalog.
pub(super) fn rows(catalog: &Catalog, relation: &Relation) -> Vec<Row> {
    if relation.schema == "information_schema" {
        return information::rows(catalog, relation);
    }
    let facts = catalog.facts();
    let r = relation;
    match relation.name.as_str() {
        "pg_namespace" => rows_of(
            r,
            [PG_CATALOG, PUBLIC, INFORMATION_SCHEMA].map(|schema| {
                let name = Catalog::schema(schema).unwrap_or_default();
                [("oid", oid(schema)), ("nspname", text(name)), ("nspowner", oid(OWNER))]
            }),
        ),
        "pg_class" => classes(catalog, r),
        "pg_attribute" => attributes(catalog, r),
        "pg_type" => all_types(catalog, r),
        "pg_proc" => functions(catalog, r),
        "pg_description" => descriptions(catalog, r),
        "pg_database" => rows_of(
            r,
            [[
                ("oid", oid(DATABASE)),
                ("datname", text(&facts.database)),
                ("datdba", oid(OWNER)),
                ("encoding", Value::Int(6)),
                ("datlocprovider", text("c")),
                ("datallowconn", Value::Bool(true)),
                ("datconnlimit", Value::Int(-1)),
                ("dattablespace", oid(1663)),
                ("datcollate", text("C")),
                ("datctype", text("C.UTF-8")),
            ]],
        ),
        "pg_roles" | "pg_authid" | "pg_user" | "pg_shadow" => roles(catalog, r),
        "pg_settings" => SETTINGS
            .iter()
            .map(|setting| {
                let category = "Client Connection Defaults";
                row(
                    r,
                    [
                        ("name", text(setting.name)),
                        ("setting", text(setting.value)),
                        ("category", text(category)),
                        ("short_desc", text(setting.about)),
                        ("context", text(setting.context)),
                        ("vartype", text(setting.kind)),
                        ("source", text("default")),
                        ("boot_val", text(setting.value)),
                        ("reset_val", text(setting.value)),
                        ("pending_restart", Value::Bool(false)),
                    ],
                )
            })
            .collect(),
        "pg_am" => rows_of(
            r,
            [(HEAP, "heap", "t"), (403, "btree", "i")]
                .map(|(number, name, kind)| [("oid", oid(number)), ("amname", text(name)), ("amtype", text(kind))]),
        ),
        "pg_tablespace" => rows_of(
            r,
            [(1663, "pg_default"), (1664, "pg_global")]
                .map(|(number, name)| [("oid", oid(number)), ("spcname", text(name)), ("spcowner", oid(OWNER))]),
        ),
        "pg_language" => rows_of(
            r,
            [(INTERNAL, "internal"), (14, "sql")].map(|(number, name)| {
                let trusted = Value::Bool(name == "sql");
                [("oid", oid(number)), ("lanname", text(name)), ("lanowner", oid(OWNER)), ("lanpltrusted", trusted)]
            }),
        ),
        "pg_collation" => rows_of(
            r,
            [(COLLATION, "default", "d", None), (950, "C", "c", Some("C")), (951, "POSIX", "c", Some("POSIX"))].map(
                |(number, name, provider, rules)| {
                    [
                        ("oid", oid(number)),
                        ("collname", text(name)),
                        ("collnamespace", oid(PG_CATALOG)),
                        ("collowner", oid(OWNER)),
                        ("collprovider", text(provider)),
                        ("collisdeterministic", Value::Bool(true)),
                        ("collencoding", Value::Int(-1)),
                        ("collcollate", Value::of(rules)),
                        ("collctype", Value::of(rules)),
                    ]
                },
            ),
        ),
        "pg_range" => rows_of(
            r,
            [(3904, 23), (3906, 1700), (3908, 1114), (3910, 1184), (3912, 1082), (3926, 20)]
                .map(|(range, of)| [("rngtypid", oid(range)), ("rngsubtype", oid(of))]),
        ),
        "pg_tables" => {
            let ours = catalog.tables().iter().filter(|(_, table)| table.definition.is_none());
            let ours = ours.map(|(_, table)| ("public", table.name.clone()));
            let theirs = relations().iter().filter(|relation| relation.kind == "r");
            let theirs = theirs.map(|relation| (relation.schema, relation.name.clone()));
            rows_of(
                r,
                ours.chain(theirs).map(|(schema, name)| {
                    [
                        ("schemaname", text(schema)),
                        ("tablename", Value::from(name)),
                        ("tableowner", text(OWNER_NAME)),
                        ("hasindexes", Value::Bool(false)),
                        ("hasrules", Value::Bool(false)),
                        ("hastriggers", Value::Bool(false)),
                        ("rowsecurity", Value::Bool(false)),
                    ]
                }),
            )
        }
        "pg_views" => {
            let ours =
                catalog.tables().iter().filter_map(|(_, table)| Some((table.name.clone(), table.definition.clone()?)));
            rows_of(
                r,
                ours.map(|(name, definition)| {
                    [
                        ("schemaname", text("public")),
                        ("viewname", Value::from(name)),
                        ("viewowner", text(OWNER_NAME)),
                        ("definition", Value::from(definition)),
                    ]
                }),
            )
        }
        "pg_rewrite" => {
            let views = catalog.tables().iter().filter(|(_, table)| table.definition.is_some());
            rows_of(
                r,
                views.map(|(number, _)| {
                    [
                        ("oid", oid(number + 6_000_000)),
                        ("rulename", text("_RETURN")),
                        ("ev_class", oid(*number)),
                        ("ev_type", text("1")),
                        ("ev_enabled", text("O")),
                        ("is_instead", Value::Bool(true)),
                    ]
                }),
            )
        }
        "pg_stat_user_tables" | "pg_stat_all_tables" => {
            let tables = catalog.tables().iter().filter(|(_, table)| table.definition.is_none());
            rows_of(
                r,
                tables.map(|(number, table)| {
                    [("relid", oid(*number)), ("schemaname", text("public")), ("relname", text(&table.name))]
                }),
            )
        }
        _ => Vec::new(),
    }
}

fn classes(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let class = |number: u32, name: &str, schema: u32, is_view: bool, width: usize, kind: u32| {
        row(
            r,
            [
                ("oid", oid(number)),
                ("relname", text(name)),
                ("relnamespace", oid(schema)),
                ("reltype", oid(kind)),
                ("relowner", oid(OWNER)),
                ("relam", oid(if is_view { 0 } else { HEAP })),
                ("relfilenode", oid(if is_view { 0 } else { number })),
                ("reltuples", Value::Float(-1.0)),
                ("relpersistence", text("p")),
                ("relkind", text(if is_view { "v" } else { "r" })),
                ("relnatts", int(width)),
                ("relhasrules", Value::Bool(is_view)),
                ("relispopulated", Value::Bool(true)),
                ("relreplident", text(if is_view || schema == PG_CATALOG { "n" } else { "d" })),
            ],
        )
    };
    let ours = catalog.tables().iter().map(|(number, table)| {
        class(*number, &table.name, PUBLIC, table.definition.is_some(), table.columns.len(), row_type(*number))
    });
    let theirs = relations().iter().map(|relation| {
        let schema = if relation.schema == "pg_catalog" { PG_CATALOG } else { INFORMATION_SCHEMA };
        class(relation.oid, &relation.name, schema, relation.kind == "v", relation.columns.len(), 0)
    });
    ours.chain(theirs).collect()
}

fn attributes(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let attribute = |table: u32, number: usize, name: &str, kind: Type, required: bool| {
        let known = types::known(kind.0);
        let length = known.map_or(-1, |known| known.length);
        row(
            r,
            [
                ("attrelid", oid(table)),
                ("attname", text(name)),
                ("atttypid", oid(kind.0)),
                ("attstattarget", Value::Int(-1)),
                ("attlen", Value::Int(length)),
                ("attnum", int(number + 1)),
                ("attndims", Value::Int(i64::from(kind.element().is_some()))),
                ("attcacheoff", Value::Int(-1)),
                ("atttypmod", Value::Int(-1)),
                ("attbyval", Value::Bool(matches!(length, 1 | 2 | 4 | 8) && kind != Type::NAME)),
                ("attalign", text(known.map_or("i", |known| known.align))),
                ("attstorage", text(known.map_or("x", |known| known.storage))),
                ("attcompression", text("")),
                ("attnotnull", Value::Bool(required)),
                ("attidentity", text("")),
                ("attgenerated", text("")),
                ("attislocal", Value::Bool(true)),
                ("attcollation", oid(known.map_or(0, |known| known.collation))),
            ],
        )
    };
    let ours = catalog.tables().iter().flat_map(|(table, fact)| {
        let columns = fact.columns.iter().enumerate();
        columns.map(move |(at, (name, kind, _))| attribute(*table, at, name, *kind, false))
    });
    let theirs = relations().iter().flat_map(|relation| {
        let columns = relation.columns.iter().enumerate();
        columns.map(move |(at, column)| attribute(relation.oid, at, &column.name, column.kind, column.required))
    });
    ours.chain(theirs).collect()
}

fn all_types(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let known = types::all().iter().map(|known| {
        let function = |at: usize| oid(known.functions.get(at).copied().unwrap_or_default());
        let subscripts = if known.category == "A" && known.length == -1 { 6179 } else { 0 };
        row(
            r,
            [
                ("oid", oid(known.oid)),
                ("typname", text(&known.name)),
                ("typnamespace", oid(PG_CATALOG)),
                ("typowner", oid(OWNER)),
                ("typlen", Value::Int(known.length)),
                ("typbyval", Value::Bool(matches!(known.length, 1 | 2 | 4 | 8))),
                ("typtype", text(known.kind)),
                ("typcategory", text(known.category)),
                ("typispreferred", Value::Bool(known.preferred)),
                ("typisdefined", Value::Bool(true)),
                ("typdelim", text(if known.name == "box" { ";" } else { "," })),
                ("typsubscript", oid(subscripts)),
                ("typelem", oid(known.element)),
                ("typarray", oid(known.array)),
                ("typinput", function(0)),
                ("typreceive", function(1)),
                ("typoutput", function(2)),
                ("typsend", function(3)),
                ("typalign", text(known.align)),
                ("typstorage", text(known.storage)),
                ("typtypmod", Value::Int(-1)),
                ("typcollation", oid(known.collation)),
            ],
        )
    });
    let of_rows = catalog.tables().iter().flat_map(|(table, fact)| {
        [(row_type(*table), fact.name.clone(), true), (row_array(*table), format!("_{}", fact.name), false)].map(
            |(number, name, is_row)| {
                let (element, array) = if is_row { (0, row_array(*table)) } else { (row_type(*table), 0) };
                let functions = if is_row { [2290, 2402, 2291, 2403] } else { [750, 2400, 751, 2401] };
                let [input, receive, output, send] = functions.map(oid);
                row(
                    r,
                    [
                        ("oid", oid(number)),
                        ("typname", text(&name)),
                        ("typnamespace", oid(PUBLIC)),
                        ("typowner", oid(OWNER)),
                        ("typlen", Value::Int(-1)),
                        ("typtype", text(if is_row { "c" } else { "b" })),
                        ("typcategory", text(if is_row { "C" } else { "A" })),
                        ("typisdefined", Value::Bool(true)),
                        ("typdelim", text(",")),
                        ("typrelid", oid(if is_row { *table } else { 0 })),
                        ("typsubscript", oid(if is_row { 0 } else { 6179 })),
                        ("typelem", oid(element)),
                        ("typarray", oid(array)),
                        ("typinput", input),
                        ("typreceive", receive),
                        ("typoutput", output),
                        ("typsend", send),
                        ("typalign", text("d")),
                        ("typstorage", text("x")),
                        ("typtypmod", Value::Int(-1)),
                    ],
                )
            },
        )
    });
    known.chain(of_rows).collect()
}

/// Lists the functions that read and write the values of types, by oid.
pub(super) fn functions_of_types() -> Vec<(u32, String)> {
    let mut all: Vec<(u32, String)> = types::all()
        .iter()
        .flat_map(|known| {
            let prefix = &known.prefix;
            let [input, receive, output, send] = known.functions;
            [(input, "in"), (receive, "recv"), (output, "out"), (send, "send")]
                .map(|(number, end)| (number, format!("{prefix}{end}")))
        })
        .chain(
            [
                (2290, "record_in"),
                (2291, "record_out"),
                (2402, "record_recv"),
                (2403, "record_send"),
                (6179, "array_subscript_handler"),
            ]
            .map(|(oid, name)| (oid, name.to_owned())),
        )
        .filter(|(number, _)| *number != 0)
        .collect();
    all.sort();
    all.dedup_by_key(|(number, _)| *number);
    all
}

fn functions(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let function = |number: u32, name: &str, schema: u32, kind: &str, gives: Type, arguments: &[(String, Type)]| {
        let types = arguments.iter().map(|(_, kind)| oid(kind.0)).collect();
        let names: Vec<Value> = arguments.iter().map(|(name, _)| text(name)).collect();
        let vector = super::value::List { first: 0, items: types };
        row(
            r,
            [
                ("oid", oid(number)),
                ("proname", text(name)),
                ("pronamespace", oid(schema)),
                ("proowner", oid(OWNER)),
                ("prolang", oid(INTERNAL)),
                ("procost", Value::Float(1.0)),
                ("prokind", text(kind)),
                ("proisstrict", Value::Bool(true)),
                ("provolatile", text("i")),
                ("proparallel", text("s")),
                ("pronargs", int(arguments.len())),
                ("prorettype", oid(gives.0)),
                ("proargtypes", Value::List(Arc::new(vector))),
                ("proargnames", if names.is_empty() { Value::Null } else { Value::list(names) }),
                ("prosrc", text(name)),
            ],
        )
    };
    let ours = catalog
        .functions()
        .iter()
        .map(|(number, fact)| function(*number, &fact.name, fact.schema, fact.kind, fact.gives, &fact.arguments));
    let theirs = functions_of_types();
    let theirs = theirs.iter().map(|(number, name)| function(*number, name, PG_CATALOG, "f", Type::TEXT, &[]));
    ours.chain(theirs).collect()
}

fn descriptions(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let description = |object: u32, class: u32, part: usize, meaning: &str| {
        row(
            r,
            [
                ("objoid", oid(object)),
                ("classoid", oid(class)),
                ("objsubid", int(part)),
                ("description", text(meaning)),
            ],
        )
    };
    let mut rows = Vec::new();
    for (table, fact) in catalog.tables() {
        let parts = fact.columns.iter().enumerate().map(|(at, (.., meaning))| (at + 1, meaning));
        for (part, meaning) in std::iter::once((0, &fact.meaning)).chain(parts) {
            if !meaning.is_empty() {
                rows.push(description(*table, 1259, part, meaning));
            }
        }
    }
    for (function, fact) in catalog.functions() {
        if !fact.meaning.is_empty() {
            rows.push(description(*function, 1255, 0, &fact.meaning));
        }
    }
    rows.push(description(PUBLIC, 2615, 0, "the tables of the lake"));
    rows.push(description(PG_CATALOG, 2615, 0, "what clients of PostgreSQL ask about tables"));
    rows
}

fn roles(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let numbers = [OWNER, CALLER].into_iter().filter_map(|number| Some((number, catalog.role(number)?)));
    let prefix = if r.name == "pg_user" || r.name == "pg_shadow" { "use" } else { "rol" };
    numbers
        .map(|(number, name)| {
            let given = [
                ("oid", oid(number)),
                ("rolname", text(name)),
                ("usename", text(name)),
                ("usesysid", oid(number)),
                ("rolinherit", Value::Bool(true)),
                ("rolcanlogin", Value::Bool(number == CALLER || catalog.facts().user == name)),
                ("rolconnlimit", Value::Int(-1)),
                ("rolpassword", text("********")),
                ("passwd", text("********")),
            ];
            let none = r.columns.iter().filter(|column| column.kind == Type::BOOL && column.name.starts_with(prefix));
            row(r, none.map(|column| (column.name.as_str(), Value::Bool(false))).chain(given))
        })
        .collect()
}

/// The words of `version()`.
pub(super) fn version(catalog: &Catalog) -> String {
    format!("PostgreSQL {SERVER_VERSION} on {}, which only reads", catalog.facts().version)
}
