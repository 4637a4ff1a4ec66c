//! The rows of information_schema: what has rows there of our tables and of those of the catalog.

use super::rows::row;
use super::store::{Catalog, OWNER_NAME, Relation, Row, relations};
use super::types::{self, Type};
use super::value::Value;

fn text(text: &str) -> Value {
    Value::text(text)
}

/// Makes the rows of a table of information_schema.
pub(super) fn rows(catalog: &Catalog, relation: &Relation) -> Vec<Row> {
    let database = &catalog.facts().database;
    let r = relation;
    match relation.name.as_str() {
        "schemata" => ["pg_catalog", "public", "information_schema"]
            .map(|schema| {
                row(
                    r,
                    [
                        ("catalog_name", text(database)),
                        ("schema_name", text(schema)),
                        ("schema_owner", text(OWNER_NAME)),
                    ],
                )
            })
            .to_vec(),
        "information_schema_catalog_name" => vec![row(r, [("catalog_name", text(database))])],
        "tables" => tables(catalog)
            .map(|(schema, name, is_view)| {
                row(
                    r,
                    [
                        ("table_catalog", text(database)),
                        ("table_schema", text(schema)),
                        ("table_name", text(name)),
                        ("table_type", text(if is_view { "VIEW" } else { "BASE TABLE" })),
                        ("is_insertable_into", text("NO")),
                        ("is_typed", text("NO")),
                    ],
                )
            })
            .collect(),
        "views" => catalog
            .tables()
            .iter()
            .filter_map(|(_, table)| Some((table, table.definition.as_ref()?)))
            .map(|(table, definition)| {
                row(
                    r,
                    [
                        ("table_catalog", text(database)),
                        ("table_schema", text("public")),
                        ("table_name", text(&table.name)),
                        ("view_definition", text(definition)),
                        ("check_option", text("NONE")),
                        ("is_updatable", text("NO")),
                        ("is_insertable_into", text("NO")),
                        ("is_trigger_updatable", text("NO")),
                        ("is_trigger_deletable", text("NO")),
                        ("is_trigger_insertable_into", text("NO")),
                    ],
                )
            })
            .collect(),
        "columns" => columns(catalog, r),
        "table_privileges" | "role_table_grants" => tables(catalog)
            .map(|(schema, name, _)| {
                row(
                    r,
                    [
                        ("grantor", text(OWNER_NAME)),
                        ("grantee", text(&catalog.facts().user)),
                        ("table_catalog", text(database)),
                        ("table_schema", text(schema)),
                        ("table_name", text(name)),
                        ("privilege_type", text("SELECT")),
                        ("is_grantable", text("NO")),
                        ("with_hierarchy", text("YES")),
                    ],
                )
            })
            .collect(),
        "applicable_roles" | "administrable_role_authorizations" => Vec::new(),
        "enabled_roles" => vec![row(r, [("role_name", text(&catalog.facts().user))])],
        "character_sets" => vec![row(
            r,
            [
                ("character_set_name", text("UTF8")),
                ("character_repertoire", text("UCS")),
                ("form_of_use", text("UTF8")),
                ("default_collate_catalog", text(database)),
                ("default_collate_schema", text("pg_catalog")),
                ("default_collate_name", text("C")),
            ],
        )],
        "routines" => catalog
            .functions()
            .iter()
            .map(|(number, function)| {
                let schema = Catalog::schema(function.schema).unwrap_or("public");
                row(
                    r,
                    [
                        ("specific_catalog", text(database)),
                        ("specific_schema", text(schema)),
                        ("specific_name", Value::from(format!("{}_{number}", function.name))),
                        ("routine_catalog", text(database)),
                        ("routine_schema", text(schema)),
                        ("routine_name", text(&function.name)),
                        ("routine_type", text("FUNCTION")),
                        ("data_type", Value::from(types::sql_name(function.gives.0, None))),
                        ("type_udt_catalog", text(database)),
                        ("type_udt_schema", text("pg_catalog")),
                        ("type_udt_name", text(function.gives.name())),
                        ("routine_body", text("EXTERNAL")),
                        ("external_language", text("INTERNAL")),
                        ("is_deterministic", text("YES")),
                        ("security_type", text("INVOKER")),
                    ],
                )
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Lists all tables: schema, name, whether it is a view.
fn tables(catalog: &Catalog) -> impl Iterator<Item = (&str, &str, bool)> {
    let ours = catalog.tables().iter().map(|(_, table)| ("public", table.name.as_str(), table.definition.is_some()));
    ours.chain(relations().iter().map(|relation| (relation.schema, relation.name.as_str(), relation.kind == "v")))
}

fn columns(catalog: &Catalog, r: &Relation) -> Vec<Row> {
    let database = &catalog.facts().database;
    let column = |schema: &str, table: &str, at: usize, name: &str, kind: Type, required: bool| {
        let is_array = kind.element().is_some() && !matches!(kind, Type::INT2VECTOR | Type::OIDVECTOR);
        let sql = types::sql_name(kind.0, None);
        let (bits, radix, scale) = match kind {
            Type::INT2 => (Some(16), Some(2), Some(0)),
            Type::INT4 => (Some(32), Some(2), Some(0)),
            Type::INT8 => (Some(64), Some(2), Some(0)),
            Type::FLOAT4 => (Some(24), Some(2), None),
            Type::FLOAT8 => (Some(53), Some(2), None),
            Type::NUMERIC => (None, Some(10), None),
            _ => (None, None, None),
        };
        let is_text = matches!(kind, Type::TEXT | Type::VARCHAR | Type::BPCHAR);
        let is_instant = matches!(kind, Type::TIMESTAMPTZ | Type::TIMESTAMP);
        row(
            r,
            [
                ("table_catalog", text(database)),
                ("table_schema", text(schema)),
                ("table_name", text(table)),
                ("column_name", text(name)),
                ("ordinal_position", Value::Int(i64::try_from(at + 1).unwrap_or(0))),
                ("is_nullable", text(if required { "NO" } else { "YES" })),
                ("data_type", if is_array { text("ARRAY") } else { Value::from(sql) }),
                ("character_octet_length", if is_text { Value::Int(1 << 30) } else { Value::Null }),
                ("numeric_precision", Value::of(bits.map(i64::from))),
                ("numeric_precision_radix", Value::of(radix.map(i64::from))),
                ("numeric_scale", Value::of(scale.map(i64::from))),
                ("datetime_precision", if is_instant { Value::Int(6) } else { Value::Null }),
                ("udt_catalog", text(database)),
                ("udt_schema", text("pg_catalog")),
                ("udt_name", text(kind.name())),
                ("dtd_identifier", Value::from((at + 1).to_string())),
                ("is_self_referencing", text("NO")),
                ("is_identity", text("NO")),
                ("identity_cycle", text("NO")),
                ("is_generated", text("NEVER")),
                ("is_updatable", text("NO")),
            ],
        )
    };
    let ours = catalog.tables().iter().flat_map(|(_, table)| {
        let columns = table.columns.iter().enumerate();
        columns.map(|(at, (name, kind, _))| column("public", &table.name, at, name, *kind, false))
    });
    let theirs = relations().iter().flat_map(|relation| {
        let columns = relation.columns.iter().enumerate();
        columns.map(|(at, c)| column(relation.schema, &relation.name, at, &c.name, c.kind, c.required))
    });
    ours.chain(theirs).collect()
}
