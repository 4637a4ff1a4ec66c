//! Functions about the session, the objects of the catalog and what one may do with them.

use super::super::fault::{Fault, NOT_SUPPORTED, Result};
use super::super::rows;
use super::super::run::{Run, Signal};
use super::super::settings;
use super::super::store::{CALLER, INFORMATION_SCHEMA, quoted};
use super::super::types::Type as T;
use super::super::value::Value;
use super::Routine;

const fn r(name: &'static str, takes: &'static [T], gives: T, run: super::Computation) -> Routine {
    Routine::new(name, takes, gives, run)
}

const ANY: T = T::UNKNOWN;

fn oid(args: &[Value], at: usize) -> u32 {
    args.get(at).and_then(Value::as_int).and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn text(args: &[Value], at: usize) -> &str {
    args.get(at).and_then(Value::as_text).unwrap_or_default()
}

fn null(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Null)
}

fn zero(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Int(0))
}

fn yes(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Bool(true))
}

fn no(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Bool(false))
}

fn empty(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::text(""))
}

fn user(run: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::text(&run.catalog.facts().user))
}

fn database(run: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::text(&run.catalog.facts().database))
}

fn schema(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::text("public"))
}

fn now(run: &Run<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Instant(run.now()))
}

/// Which privileges there are: to read, to connect and to use; and whether one of those named is among them.
fn privilege(_: &Run<'_>, args: &[Value]) -> Result<Value> {
    let named = args.last().and_then(Value::as_text).unwrap_or_default();
    let may = |name: &str| {
        let name = name.trim().to_uppercase();
        matches!(name.as_str(), "SELECT" | "USAGE" | "CONNECT" | "EXECUTE" | "MEMBER" | "SET")
    };
    Ok(Value::Bool(named.split(',').any(may)))
}

fn role_privilege(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    // Everyone has the privileges of itself, and no others.
    let name = args.len().checked_sub(2).map_or("", |at| text(args, at));
    let number = args.len().checked_sub(2).map_or(0, |at| oid(args, at));
    Ok(Value::Bool(name == run.catalog.facts().user || number == CALLER))
}

fn visible_class(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    Ok(run.catalog.class(oid(args, 0)).map_or(Value::Null, |(schema, _)| Value::Bool(*schema != INFORMATION_SCHEMA)))
}

fn setting(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    let name = text(args, 0);
    match run.setting(name) {
        Some(value) => Ok(Value::from(value)),
        None if args.get(1).is_some_and(Value::is_true) => Ok(Value::Null),
        None => Err(Fault::new("42704", format!("unrecognized configuration parameter {name:?}"))),
    }
}

fn set_setting(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    let (name, value) = (text(args, 0), text(args, 1));
    if settings::setting(name).is_some_and(|setting| setting.context == "internal") {
        return Err(Fault::new("55P02", format!("parameter {name:?} cannot be changed")));
    }
    run.set(name, value)?;
    Ok(Value::from(run.setting(name).unwrap_or_else(|| value.to_owned())))
}

fn signal(run: &Run<'_>, args: &[Value], signal: Signal) -> Result<Value> {
    let process = args.first().and_then(Value::as_int).unwrap_or_default();
    Ok(Value::Bool(run.signal(process, signal)?))
}

fn description(run: &Run<'_>, object: u32, class: u32, part: i64) -> Value {
    let Some((number, relation)) = run.catalog.table("pg_catalog", "pg_description") else { return Value::Null };
    let at = |name: &str| relation.columns.iter().position(|column| column.name == name).unwrap_or_default();
    let (class_at, part_at, text_at) = (at("classoid"), at("objsubid"), at("description"));
    let Some(index) = run.catalog.index(number, at("objoid")) else { return Value::Null };
    let rows = run.catalog.rows(number);
    let found = index.get(&Value::from(object)).into_iter().flatten().filter_map(|row| rows.get(*row)).find(|row| {
        row.get(part_at) == Some(&Value::Int(part)) && (class == 0 || row.get(class_at) == Some(&Value::from(class)))
    });
    found.and_then(|row| row.get(text_at)).cloned().unwrap_or(Value::Null)
}

fn object_description(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    let class = match text(args, 1) {
        "" => 0,
        name => run.catalog.find(name, T::REGCLASS).unwrap_or(u32::MAX),
    };
    Ok(description(run, oid(args, 0), class, 0))
}

fn column_description(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    Ok(description(run, oid(args, 0), 1259, args.get(1).and_then(Value::as_int).unwrap_or_default()))
}

fn view_definition(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    let number = oid(args, 0);
    let found = run.catalog.tables().iter().find(|(oid, _)| *oid == number);
    Ok(Value::of(found.and_then(|(_, table)| table.definition.clone())))
}

fn function_of(run: &Run<'_>, args: &[Value], write: impl Fn(&super::super::store::FunctionFact) -> String) -> Value {
    let number = oid(args, 0);
    let found = run.catalog.functions().iter().find(|(oid, _)| *oid == number);
    found.map_or(Value::text(""), |(_, function)| Value::from(write(function)))
}

fn function_arguments(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    Ok(function_of(run, args, |function| {
        let arguments = function.arguments.iter().map(|(name, kind)| {
            let kind = super::super::types::sql_name(kind.0, None);
            if name.is_empty() { kind } else { format!("{} {kind}", quoted(name)) }
        });
        arguments.collect::<Vec<_>>().join(", ")
    }))
}

fn function_result(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    Ok(function_of(run, args, |function| super::super::types::sql_name(function.gives.0, None)))
}

fn to(run: &Run<'_>, args: &[Value], kind: T) -> Result<Value> {
    Ok(Value::of(run.catalog.find(text(args, 0), kind)))
}

/// Writes bytes in the largest unit of which there are ten or more, rounded.
fn size(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    let mut in_unit = bytes as f64;
    while in_unit.abs() >= 10.0 * 1024.0 && unit + 1 < units.len() {
        in_unit /= 1024.0;
        unit += 1;
    }
    format!("{} {}", in_unit.round(), units.get(unit).copied().unwrap_or("bytes"))
}

fn encoding_name(_: &Run<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::text(match args.first().and_then(Value::as_int) {
        Some(0) => "SQL_ASCII",
        Some(6) => "UTF8",
        Some(8) => "LATIN1",
        _ => "",
    }))
}

fn encoding_number(_: &Run<'_>, args: &[Value]) -> Result<Value> {
    let name = text(args, 0).to_uppercase().replace(['-', '_'], "");
    Ok(Value::Int(match name.as_str() {
        "SQLASCII" => 0,
        "UTF8" | "UNICODE" => 6,
        "LATIN1" => 8,
        _ => -1,
    }))
}

fn refused(_: &Run<'_>, _: &[Value]) -> Result<Value> {
    Err(Fault::new(NOT_SUPPORTED, "the server only reads"))
}

/// The functions.
pub(super) const ROUTINES: &[Routine] = &[
    r("version", &[], T::TEXT, |run, _| Ok(Value::from(rows::version(run.catalog)))),
    r("current_database", &[], T::NAME, database),
    r("current_catalog", &[], T::NAME, database),
    r("current_schema", &[], T::NAME, schema),
    r("current_schemas", &[T::BOOL], T::NAMES, |_, args| {
        let implicit = args.first().is_some_and(Value::is_true).then(|| Value::text("pg_catalog"));
        Ok(Value::list(implicit.into_iter().chain([Value::text("public")]).collect()))
    }),
    r("current_user", &[], T::NAME, user),
    r("session_user", &[], T::NAME, user),
    r("current_role", &[], T::NAME, user),
    r("user", &[], T::NAME, user),
    r("getdatabaseencoding", &[], T::NAME, |_, _| Ok(Value::text("UTF8"))),
    r("pg_client_encoding", &[], T::NAME, |_, _| Ok(Value::text("UTF8"))),
    r("pg_backend_pid", &[], T::INT4, |run, _| Ok(Value::Int(run.process()))),
    r("pg_is_in_recovery", &[], T::BOOL, no),
    r("pg_is_wal_replay_paused", &[], T::BOOL, no),
    r("pg_postmaster_start_time", &[], T::TIMESTAMPTZ, |run, _| Ok(Value::Instant(run.catalog.facts().started))),
    r("pg_conf_load_time", &[], T::TIMESTAMPTZ, |run, _| Ok(Value::Instant(run.catalog.facts().started))),
    r("txid_current", &[], T::INT8, |_, _| Ok(Value::Int(1))),
    r("pg_current_xact_id", &[], T::INT8, |_, _| Ok(Value::Int(1))),
    r("txid_current_if_assigned", &[], T::INT8, null),
    r("pg_current_xact_id_if_assigned", &[], T::INT8, null),
    r("pg_my_temp_schema", &[], T::OID, zero),
    r("pg_is_other_temp_schema", &[T::OID], T::BOOL, no),
    r("pg_advisory_unlock_all", &[], T::TEXT, empty),
    r("pg_advisory_lock", &[ANY, ANY], T::TEXT, empty).from(1),
    r("pg_advisory_unlock", &[ANY, ANY], T::BOOL, yes).from(1),
    r("pg_try_advisory_lock", &[ANY, ANY], T::BOOL, yes).from(1),
    r("pg_cancel_backend", &[T::INT4], T::BOOL, |run, args| signal(run, args, Signal::Cancel)),
    // How long it may wait for the end is not heard: it does not wait.
    r("pg_terminate_backend", &[T::INT4, T::INT8], T::BOOL, |run, args| signal(run, args, Signal::Terminate)).from(1),
    r("pg_sleep", &[T::FLOAT8], T::TEXT, refused),
    r("nextval", &[ANY], T::INT8, refused),
    r("currval", &[ANY], T::INT8, refused),
    r("lastval", &[], T::INT8, refused),
    r("inet_server_addr", &[], T::TEXT, null),
    r("inet_server_port", &[], T::INT4, null),
    r("inet_client_addr", &[], T::TEXT, null),
    r("inet_client_port", &[], T::INT4, null),
    r("pg_blocking_pids", &[T::INT4], T::INT4S, |_, _| Ok(Value::list(Vec::new()))),
    r("now", &[], T::TIMESTAMPTZ, now),
    r("current_timestamp", &[], T::TIMESTAMPTZ, now),
    r("statement_timestamp", &[], T::TIMESTAMPTZ, now),
    r("transaction_timestamp", &[], T::TIMESTAMPTZ, now),
    r("clock_timestamp", &[], T::TIMESTAMPTZ, now),
    r("current_setting", &[T::TEXT, T::BOOL], T::TEXT, setting).from(1),
    r("set_config", &[T::TEXT, T::TEXT, T::BOOL], T::TEXT, set_setting),
    r("pg_get_userbyid", &[T::OID], T::NAME, |run, args| {
        let number = oid(args, 0);
        Ok(run.catalog.role(number).map_or_else(|| Value::from(format!("unknown (OID={number})")), Value::text))
    }),
    r("format_type", &[T::OID, T::INT4], T::TEXT, |run, args| {
        if args.first().is_none_or(Value::is_null) {
            return Ok(Value::Null);
        }
        let modifier = args.get(1).and_then(Value::as_int).filter(|modifier| *modifier >= 0);
        Ok(Value::from(run.catalog.type_name(oid(args, 0), modifier)))
    })
    .lenient(),
    r("pg_table_is_visible", &[T::OID], T::BOOL, visible_class),
    r("pg_type_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_function_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_operator_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_opclass_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_opfamily_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_conversion_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_collation_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_statistics_obj_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_ts_config_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_ts_dict_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_ts_parser_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_ts_template_is_visible", &[T::OID], T::BOOL, yes),
    r("pg_relation_is_publishable", &[T::REGCLASS], T::BOOL, no),
    r("pg_relation_is_updatable", &[T::REGCLASS, T::BOOL], T::INT4, zero),
    r("pg_column_is_updatable", &[T::REGCLASS, T::INT2, T::BOOL], T::BOOL, no),
    r("pg_get_expr", &[ANY, T::OID, T::BOOL], T::TEXT, |_, args| Ok(args.first().cloned().unwrap_or(Value::Null)))
        .from(2),
    r("pg_get_viewdef", &[T::REGCLASS, ANY], T::TEXT, view_definition).from(1),
    r("pg_get_ruledef", &[T::OID, T::BOOL], T::TEXT, |run, args| {
        let number = oid(args, 0).saturating_sub(6_000_000);
        let Some((_, name)) = run.catalog.class(number) else { return Ok(Value::Null) };
        let body = view_definition(run, &[Value::from(number)])?;
        let name = quoted(name);
        let body = body.as_text().unwrap_or_default().to_owned();
        Ok(Value::from(format!("CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {name} DO INSTEAD {body}")))
    })
    .from(1),
    r("pg_get_indexdef", &[T::OID, T::INT4, T::BOOL], T::TEXT, null).from(1),
    r("pg_get_constraintdef", &[T::OID, T::BOOL], T::TEXT, null).from(1),
    r("pg_get_triggerdef", &[T::OID, T::BOOL], T::TEXT, null).from(1),
    r("pg_get_partkeydef", &[T::OID], T::TEXT, null),
    r("pg_get_partition_constraintdef", &[T::OID], T::TEXT, null),
    r("pg_get_statisticsobjdef", &[T::OID], T::TEXT, null),
    r("pg_get_statisticsobjdef_columns", &[T::OID], T::TEXT, null),
    r("pg_get_serial_sequence", &[T::TEXT, T::TEXT], T::TEXT, null),
    r("pg_get_functiondef", &[T::OID], T::TEXT, null),
    r("pg_get_function_arguments", &[T::OID], T::TEXT, function_arguments),
    r("pg_get_function_identity_arguments", &[T::OID], T::TEXT, function_arguments),
    r("pg_get_function_result", &[T::OID], T::TEXT, function_result),
    r("pg_get_function_sqlbody", &[T::OID], T::TEXT, null),
    r("pg_get_function_arg_default", &[T::OID, T::INT4], T::TEXT, null),
    r("pg_describe_object", &[T::OID, T::OID, T::INT4], T::TEXT, null),
    r("pg_tablespace_location", &[T::OID], T::TEXT, empty),
    r("pg_filenode_relation", &[T::OID, T::OID], T::REGCLASS, null),
    r("pg_relation_filenode", &[T::REGCLASS], T::OID, null),
    r("obj_description", &[T::OID, T::TEXT], T::TEXT, object_description).from(1),
    r("shobj_description", &[T::OID, T::TEXT], T::TEXT, null),
    r("col_description", &[T::OID, T::INT4], T::TEXT, column_description),
    r("pg_encoding_to_char", &[T::INT4], T::NAME, encoding_name),
    r("pg_char_to_encoding", &[T::NAME], T::INT4, encoding_number),
    r("pg_encoding_max_length", &[T::INT4], T::INT4, |_, _| Ok(Value::Int(4))),
    r("pg_relation_size", &[T::REGCLASS, T::TEXT], T::INT8, zero).from(1),
    r("pg_table_size", &[T::REGCLASS], T::INT8, zero),
    r("pg_indexes_size", &[T::REGCLASS], T::INT8, zero),
    r("pg_total_relation_size", &[T::REGCLASS], T::INT8, zero),
    r("pg_database_size", &[ANY], T::INT8, zero),
    r("pg_tablespace_size", &[ANY], T::INT8, zero),
    r("pg_size_pretty", &[T::INT8], T::TEXT, |_, args| {
        Ok(Value::from(size(args.first().and_then(Value::as_int).unwrap_or_default())))
    }),
    r("pg_stat_get_numscans", &[T::OID], T::INT8, zero),
    r("pg_stat_get_live_tuples", &[T::OID], T::INT8, zero),
    r("has_table_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_any_column_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_column_privilege", &[ANY, ANY, ANY, T::TEXT], T::BOOL, privilege).from(3),
    r("has_schema_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_database_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_function_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_sequence_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_language_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_type_privilege", &[ANY, ANY, T::TEXT], T::BOOL, privilege).from(2),
    r("has_tablespace_privilege", &[ANY, ANY, T::TEXT], T::BOOL, no).from(2),
    r("has_server_privilege", &[ANY, ANY, T::TEXT], T::BOOL, no).from(2),
    r("has_foreign_data_wrapper_privilege", &[ANY, ANY, T::TEXT], T::BOOL, no).from(2),
    r("pg_has_role", &[ANY, ANY, T::TEXT], T::BOOL, role_privilege).from(2),
    r("row_security_active", &[ANY], T::BOOL, no),
    r("to_regclass", &[T::TEXT], T::REGCLASS, |run, args| to(run, args, T::REGCLASS)),
    r("to_regtype", &[T::TEXT], T::REGTYPE, |run, args| to(run, args, T::REGTYPE)),
    r("to_regnamespace", &[T::TEXT], T::REGNAMESPACE, |run, args| to(run, args, T::REGNAMESPACE)),
    r("to_regrole", &[T::TEXT], T::REGROLE, |run, args| to(run, args, T::REGROLE)),
    r("to_regproc", &[T::TEXT], T::REGPROC, |run, args| to(run, args, T::REGPROC)),
    r("_pg_truetypid", &[ANY, ANY], T::OID, null),
    r("pg_sequence_last_value", &[T::REGCLASS], T::INT8, null),
];
