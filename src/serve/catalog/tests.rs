//! Statements of our own wording over a small catalog.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::store::{Facts, FunctionFact, PUBLIC, TableFact};
use super::types::Type;
use super::value::{self, Value};
use super::{Catalog, Fault, Present, Session, Signal, bind, concerns, run, with_values};

#[derive(Default)]
struct Talk(BTreeMap<String, String>);

impl Session for Talk {
    fn process(&self) -> i32 {
        42
    }

    fn now(&self) -> i64 {
        1_700_000_000_000_000
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.0.get(&name.to_lowercase()).cloned()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        self.0.insert(name.to_lowercase(), value.to_owned());
        Ok(())
    }

    fn signal(&self, process: i64, signal: Signal) -> Result<bool, Fault> {
        match process {
            42 => Ok(signal == Signal::Cancel),
            7 => Err(Fault::new("42501", "not yours")),
            _ => Ok(false),
        }
    }

    fn sessions(&self) -> Vec<Present> {
        vec![Present { process: 9, is_active: false }, Present { process: 42, is_active: true }]
    }
}

fn catalog() -> Catalog {
    let table = |name: &str, definition: Option<&str>, columns: &[(&str, Type)]| TableFact {
        name: name.to_owned(),
        definition: definition.map(str::to_owned),
        meaning: format!("what {name} holds"),
        columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind, format!("the {name}"))).collect(),
    };
    Catalog::new(Facts {
        database: "sessionlake".to_owned(),
        user: "ana".to_owned(),
        version: "sessionlake 0".to_owned(),
        started: 0,
        tables: vec![
            table("calls", None, &[("id", Type::TEXT), ("began_at", Type::TIMESTAMPTZ), ("seconds", Type::FLOAT8)]),
            table("Open Calls", Some(" SELECT id FROM calls;"), &[("Call Id", Type::TEXT)]),
        ],
        functions: vec![FunctionFact {
            name: "mask_phone".to_owned(),
            schema: PUBLIC,
            arguments: vec![("number".to_owned(), Type::TEXT)],
            gives: Type::TEXT,
            kind: "f",
            meaning: "hides a number".to_owned(),
        }],
    })
}

fn query(sql: &str) -> Query {
    match Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().pop().unwrap() {
        Statement::Query(query) => *query,
        other => panic!("{other}"),
    }
}

/// The rows of a statement as text, cells apart by `|`, rows by `;`.
fn answer(sql: &str) -> Result<String, Fault> {
    asked(sql, Vec::new())
}

fn asked(sql: &str, parameters: Vec<Value>) -> Result<String, Fault> {
    let (catalog, mut talk) = (catalog(), Talk::default());
    let bound = bind::bind(&catalog, &query(sql), &[])?;
    let run = run::Run::new(&catalog, &mut talk, parameters);
    let rows = run.rows(&bound.query)?;
    let rows = rows.iter().map(|row| {
        let cells = row.iter().zip(&bound.query.columns).map(|(cell, column)| match cell {
            Value::Null => "~".to_owned(),
            cell => value::write(cell, column.kind, &|oid, kind| catalog.reference(oid, kind)),
        });
        cells.collect::<Vec<_>>().join("|")
    });
    Ok(rows.collect::<Vec<_>>().join(";"))
}

fn assert_answers(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        match answer(sql) {
            Ok(found) => assert_eq!(found, *expected, "{sql}"),
            Err(fault) => panic!("{sql}: {fault:?}"),
        }
    }
}

#[test]
fn tables_columns_and_their_meanings_are_listed() {
    assert_answers(&[
        (
            "select relname, relkind from pg_class where relnamespace = 'public'::regnamespace order by 1",
            "Open Calls|v;calls|r",
        ),
        (
            "select a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum) \
             from pg_catalog.pg_attribute a where a.attrelid = 'calls'::regclass and a.attnum > 0 order by a.attnum",
            "id|text|the id;began_at|timestamp with time zone|the began_at;seconds|double precision|the seconds",
        ),
        ("select obj_description('calls'::regclass, 'pg_class')", "what calls holds"),
        ("select pg_get_viewdef('\"Open Calls\"'::regclass, true)", " SELECT id FROM calls;"),
        ("select '\"Open Calls\"'::regclass::text, 'calls'::regclass", "\"Open Calls\"|calls"),
        (
            "select table_name, table_type from information_schema.tables where table_schema = 'public' order by 1",
            "Open Calls|VIEW;calls|BASE TABLE",
        ),
        (
            "select column_name, ordinal_position, data_type, udt_name, is_nullable from information_schema.columns \
             where table_name = 'calls' order by 2 limit 2",
            "id|1|text|text|YES;began_at|2|timestamp with time zone|timestamptz|YES",
        ),
        (
            "select p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid) from pg_proc p \
             join pg_namespace n on n.oid = p.pronamespace and n.nspname = 'public'",
            "mask_phone|number text|text",
        ),
        ("select rolname, rolsuper, rolcanlogin from pg_roles order by oid", "sessionlake|f|f;ana|f|t"),
        (
            "select datname, pg_encoding_to_char(encoding), pg_get_userbyid(datdba) from pg_database",
            "sessionlake|UTF8|sessionlake",
        ),
        ("select count(*) from pg_index, pg_constraint", "0"),
        ("select oid, typarray from pg_type where typname = 'timestamptz'", "1184|1185"),
        ("select typinput, typreceive::text from pg_type where oid = 'bool'::regtype", "boolin|boolrecv"),
        ("select c.tableoid::regclass from pg_class c where c.relname = 'calls'", "pg_class"),
    ]);
}

#[test]
fn sessions_say_who_and_where() {
    assert_answers(&[
        ("select current_database(), current_schema(), current_user, session_user", "sessionlake|public|ana|ana"),
        ("select current_schemas(false), current_schemas(true)", "{public}|{pg_catalog,public}"),
        ("select pg_backend_pid(), pg_is_in_recovery()", "42|f"),
        ("select pg_cancel_backend(pg_backend_pid()), pg_terminate_backend(42, 100), pg_cancel_backend(1)", "t|f|f"),
        ("select pg_terminate_backend(null)", "~"),
        (
            "select pid, usename = current_user, state, query, backend_type from pg_stat_activity where datid = (select oid from pg_database) order by pid desc limit 1",
            "42|t|active||client backend",
        ),
        ("select count(*), pg_terminate_backend(min(pid)) from pg_stat_activity where pid = '9'", "1|f"),
        ("select version()", "PostgreSQL 15.0 on sessionlake 0, which only reads"),
        ("select current_setting('max_index_keys')::int + 1, current_setting('none.such', true)", "33|~"),
        ("select set_config('application_name', 'x', false), current_setting('application_name')", "x|x"),
        ("select has_table_privilege('calls', 'SELECT'), has_table_privilege('ana', 'calls', 'INSERT')", "t|f"),
        ("select to_regclass('nothing'), to_regtype('int4'), to_regclass('public.calls')", "~|integer|calls"),
        ("select pg_size_pretty(123), pg_size_pretty(20480), pg_size_pretty(5000000)", "123 bytes|20 kB|4883 kB"),
        ("select now()", "2023-11-14 22:13:20+00"),
    ]);
}

#[test]
fn subqueries_look_at_rows_around_them_anywhere() {
    assert_answers(&[
        (
            "select c.relname, (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attnum > length(c.relname) - 4) \
             from pg_class c where c.relnamespace = 2200 order by 1",
            "Open Calls|0;calls|2",
        ),
        (
            "select relname, array(select attname from pg_attribute where attrelid = c.oid order by attnum desc) from pg_class c \
             where relname = 'calls'",
            "calls|{seconds,began_at,id}",
        ),
        (
            "select c.relname, l.n from pg_class c, lateral (select max(attnum) as n from pg_attribute where attrelid = c.oid) l \
             where c.relnamespace = 2200 order by 1",
            "Open Calls|1;calls|3",
        ),
        (
            "select relname from pg_class c where relnamespace = 2200 and exists (select from pg_attribute a \
             where a.attrelid = c.oid and exists (select 1 from pg_type t where t.oid = a.atttypid and c.relkind = 'r' and t.typname = 'float8'))",
            "calls",
        ),
        (
            "select s.n, t.word from generate_series(1, 2) as s(n) left join lateral unnest(array['a', 'b', 'c']) with ordinality as t(word, at) \
             on t.at = s.n + 1",
            "1|b;2|c",
        ),
        (
            "select a.x, b.y from (values (1), (2)) a(x) left join (select 2 as x, 'two' as y) b using (x) order by 1",
            "1|~;2|two",
        ),
        ("select x, y from (values (1)) a(x) full join (values (2)) b(y) on x = y order by 1, 2", "1|~;~|2"),
        (
            "select n.nspname, c.relname from pg_namespace n right join (pg_class c join pg_am m on m.oid = c.relam) on n.oid = c.relnamespace \
             where n.nspname = 'public'",
            "public|calls",
        ),
    ]);
}

#[test]
fn operators_types_and_arrays_are_those_of_postgresql() {
    assert_answers(&[
        ("select 'calls' operator(pg_catalog.~) '^(ca.*)$' collate pg_catalog.\"default\"", "t"),
        (
            "select 'b' = any(array['a', 'b']), 3 = any('{1,2}'), 2 <> all('{1,2}'::int[]), null = any('{1}'::int[])",
            "t|f|f|~",
        ),
        ("select (array[10, 20, 30])[2], (array[10, 20, 30])[2:], ('{a,\"b c\",null}'::text[])[3]", "20|{20,30}|~"),
        ("select array_upper('1 2 3'::int2vector, 1), array_length('{}'::text[], 1), ('5 6'::int2vector)[0]", "2|~|5"),
        ("select (information_schema._pg_expandarray('{7,8}'::int2[])).n", "1;2"),
        (
            "select k.x from (select information_schema._pg_expandarray('{7,8}'::int2[]) as r) q, lateral (select (q.r).x) k",
            "7;8",
        ),
        ("select generate_subscripts('{a,b}'::text[], 1)", "1;2"),
        ("select unnest('{1,2}'::int[]), unnest('{x}'::text[])", "1|x;2|~"),
        ("select 1::\"char\", 'abc'::\"char\", true::text, 25::regtype, 'int8'::regtype::oid", "1|a|true|text|20"),
        (
            "select array['a'] || 'b'::text, 'a' || 1::text, array_to_string(array['x', null, 'y'], ',', '-')",
            "{a,b}|a1|x,-,y",
        ),
        ("select (1, 'a') = (1, 'a'), (1, 2) in ((1, 3), (1, 2)), 5 in (select 5), null in (select 1)", "t|t|t|~"),
        ("select case when null then 1 end, coalesce(null, 'x'), nullif(1, 1), 3 between 1 and 2", "~|x|~|f"),
        ("select 'a_c' like 'a\\_c', 'abc' like 'a%c', 'ABC' ilike 'a_c', 'abc' ~~ 'b%'", "t|t|t|f"),
        (
            "select 'pg_x' like 'pg/_%' escape '/', 'pgax' like 'pg/_%' escape '/', 'a\\b' like 'a\\b' escape ''",
            "t|f|t",
        ),
        ("select 7 / 2, 7 % 2, -7 / 2, 1 + 0.5, 5 & 4, 1 is distinct from null", "3|1|-3|1.5|4|t"),
        (
            "select format('%I.%I = %L', 'a', 'B c', 'it''s'), quote_ident('select'), substring('abcdef' from 2 for 3)",
            "a.\"B c\" = 'it''s'|\"select\"|bcd",
        ),
        (
            "select string_agg(x, ',' order by x desc), array_agg(distinct y), count(*) filter (where y > 1), bool_and(y > 0) from (values ('a', 1), ('b', 2), ('c', 2)) t(x, y)",
            "c,b,a|{1,2}|2|t",
        ),
        (
            "select x, row_number() over (partition by y order by x desc), sum(x) over (partition by y) from (values (1, 1), (2, 1), (3, 2)) t(x, y) order by 1",
            "1|2|3;2|1|3;3|1|3",
        ),
        ("select y, count(*) from (values ('a', 1), ('b', 2), ('c', 2)) t(x, y) group by y having count(*) > 1", "2|2"),
        (
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 4) select sum(i), max(i) from n",
            "10|4",
        ),
        ("select 1 union select 1 union all select 2 order by 1 desc", "2;1"),
        ("select 1 intersect select 1", "1"),
        ("select 1 except select 1", ""),
        ("select distinct on (y) x from (values ('a', 1), ('b', 2), ('c', 2)) t(x, y) order by y, x desc", "a;c"),
        ("select t from (values (1, 'a')) t(x, y)", "(1,a)"),
        ("values (1, 'a'), (2, null) offset 1", "2|~"),
        ("select json_build_object('a', 1, 'b', array['x'])", "{\"a\" : 1, \"b\" : [\"x\"]}"),
    ]);
}

#[test]
fn parameters_take_their_types_from_where_they_stand() {
    let (catalog, sql) =
        (catalog(), "select relname from pg_class where oid = $1 and relname like $2 and relkind = any($3)");
    let bound = bind::bind(&catalog, &query(sql), &[]).unwrap();
    assert_eq!(bound.parameters, [Type::OID, Type::TEXT, Type::CHARS]);
    let found = asked(
        "select relname from pg_class where oid = $1::regclass and relkind = any($2)",
        vec![Value::text("calls"), Value::list(vec![Value::text("r"), Value::text("v")])],
    );
    assert_eq!(found.unwrap(), "calls");
    let declared = bind::bind(&catalog, &query("select $1"), &[Type::INT8.0]).unwrap();
    assert_eq!(declared.parameters, [Type::INT8]);
}

#[test]
fn faults_have_the_codes_that_clients_look_at() {
    for (sql, code, place) in [
        ("select 1 from pg_nothing", "42P01", Some((1, 15))),
        ("select nothing from pg_class", "42703", Some((1, 8))),
        ("select oid from pg_class, pg_type", "42702", Some((1, 8))),
        ("select nothing(1) from pg_class", "42883", Some((1, 8))),
        ("select 'nothing'::regclass", "42P01", None),
        ("select 'x'::int4", "22P02", None),
        ("select 1 / (select count(*) from pg_index)", "22012", None),
        ("select (select oid from pg_class)", "21000", None),
        ("select 'a' ~ '('", "2201B", None),
        ("select 1 = true", "42883", None),
        ("select 3000000000::int4", "22003", None),
        ("select nextval('x')", "0A000", None),
        ("select current_setting('none.such')", "42704", None),
        ("select * from pg_class a, pg_class b, pg_class c, pg_class d where a.relname < b.relname", "54000", None),
        (
            "select count(*) from pg_attribute a, pg_attribute b, pg_attribute c where a.attnum < b.attnum",
            "54000",
            None,
        ),
        ("with recursive n(i) as (select 1 union all select i from n) select * from n", "54000", None),
        ("with recursive n(i) as (select 'x' union all select i || i from n) select count(*) from n", "54000", None),
        (
            "with recursive t(x) as (select 'a' union all select x || x from t where length(x) < 500000) select replace(x, 'a', x) from t",
            "54000",
            None,
        ),
        (
            "with recursive t(x) as (select 'a' union all select x || x from t where length(x) < 500000) select array_to_string(array_agg(x || n), '') from t, generate_series(1, 1000) n",
            "54000",
            None,
        ),
        (
            "with recursive t(x) as (select 'a' union all select x || x from t where length(x) < 500000) select count(x || n) from t, generate_series(1, 1000) n",
            "54000",
            None,
        ),
    ] {
        let fault = answer(sql).expect_err(sql);
        assert_eq!(fault.code, code, "{sql}: {fault}");
        if place.is_some() {
            assert_eq!(fault.place, place, "{sql}");
        }
    }
}

#[test]
fn statements_about_the_catalog_are_told_from_others() {
    for sql in [
        "select * from pg_catalog.pg_class",
        "select relname from pg_class c where exists (select 1 from information_schema.columns)",
        "select version()",
        "select pg_catalog.format('%s', 1)",
        "select 'calls'::regclass::oid",
        "select current_schema()",
        "select count(*) from pg_get_keywords()",
        "with t as (select 1) select current_user from t",
        "select s from generate_series(1, array_upper(current_schemas(false), 1)) as s",
    ] {
        assert!(concerns(&query(sql)), "{sql}");
    }
    for sql in [
        "select 1",
        "select now()",
        "select count(*) from calls",
        "select current_user, count(*) from calls",
        "with pg_class as (select 1 as x) select x from pg_class",
        "select * from generate_series(1, 3)",
        "select upper('a') || length('b')",
    ] {
        assert!(!concerns(&query(sql)), "{sql}");
    }
}

#[test]
fn values_of_sessions_are_written_into_other_statements() {
    let (catalog, mut talk) = (catalog(), Talk::default());
    let mut folded = query(
        "select current_database(), pg_catalog.count(*), current_setting('max_index_keys'), quote_ident(id) from calls \
         where id = 'x' and 'calls'::regclass is not null",
    );
    with_values(&mut folded, &catalog, &mut talk).unwrap();
    let text = folded.to_string();
    assert!(
        text.starts_with("SELECT 'sessionlake', count(*), '32', quote_ident(id) FROM calls WHERE id = 'x' AND "),
        "{text}"
    );
    assert!(!text.contains("regclass") && !text.contains("REGCLASS"), "{text}");
}

#[test]
fn every_table_of_the_catalog_can_be_read() {
    for relation in super::store::relations() {
        let sql = format!("select * from {}.{}", relation.schema, relation.name);
        let found = answer(&sql);
        assert!(found.is_ok(), "{sql}: {found:?}");
    }
    let oids: std::collections::BTreeSet<u32> = super::store::relations().iter().map(|relation| relation.oid).collect();
    assert_eq!(oids.len(), super::store::relations().len());
    let unknown = answer(
        "select a.attname from pg_attribute a where not exists (select 1 from pg_type t where t.oid = a.atttypid)",
    );
    assert_eq!(unknown.unwrap(), "");
}

#[test]
fn texts_of_any_kind_do_no_harm() {
    for text in ["", ".", "\"", "a.b.c.d", "{", "{\"", "{a,\\", "[]", "é\"", "-", "99999999999999999999", "char[][]"] {
        let text = text.replace('\'', "''");
        for kind in ["regclass", "regtype", "regproc", "text[]", "int2vector", "oid", "timestamptz", "bool", "\"char\""]
        {
            let _ = answer(&format!("select '{text}'::{kind}"));
        }
        for call in ["to_regclass", "to_regtype", "quote_ident", "current_setting", "pg_char_to_encoding"] {
            let _ = answer(&format!("select {call}('{text}')"));
        }
        let _ = answer(&format!(
            "select 'a' ~ '{text}', 'a' like '{text}', format('{text}%'), string_to_array('a', '{text}')"
        ));
    }
}
