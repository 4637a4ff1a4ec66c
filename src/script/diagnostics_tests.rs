//! Tests of errors through a real session: what a user sees, to the character.

use datafusion::arrow::array::{Float64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::config::Dialect;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;
use crate::script::parse;

const TABLES: [&str; 2] = ["workflow_sessions", "quarantine"];

fn session() -> SessionContext {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("session_id", DataType::Utf8View, false),
        Field::new("workflow_id", DataType::Utf8View, true),
        Field::new("started_at", zoned, false),
        Field::new("time_in_workflow", DataType::Float64, true),
    ]));
    let batch = RecordBatch::try_new(
        schema,
        vec![
            Arc::new(StringViewArray::from(vec!["a"])),
            Arc::new(StringViewArray::from(vec!["w"])),
            Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")),
            Arc::new(Float64Array::from(vec![1.0])),
        ],
    )
    .unwrap();
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.collect_spans = true;
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    let session = SessionContext::new_with_config(config);
    session.register_batch("workflow_sessions", batch).unwrap();
    session
}

/// Runs the statements of a file and renders its first error as the command line would.
fn rendered(sql: &str) -> String {
    let error = match parse("q.sql", sql) {
        Err(error) => error,
        Ok(script) => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let session = session();
            let failed = script.statements.iter().find_map(|statement| {
                let run = async {
                    let plan = session.state().statement_to_plan(statement.parsed.clone()).await?;
                    session.execute_logical_plan(plan).await?.collect().await
                };
                runtime.block_on(run).err().map(|error| (error, statement))
            });
            let (error, statement) = failed.expect("the file must fail");
            locate_among(error, &script, Some(statement), &TABLES)
        }
    };
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}")
}

/// The same on one line, without the source: position, width of the carets, message, hint.
fn brief(sql: &str) -> String {
    let text = rendered(sql);
    let first = text.lines().next().unwrap_or_default().trim_start_matches("q.sql:");
    let carets = text.lines().find(|line| line.contains("| ") && line.trim_end().ends_with('^')).unwrap_or_default();
    let (place, message) = first.split_once(": ").unwrap_or(("", first));
    let hint = text.lines().find(|line| line.starts_with("hint: ")).unwrap_or("hint: -");
    format!("{place}+{} {message} / {}", carets.matches('^').count(), &hint[6..])
}

#[test]
fn a_misspelt_column_is_shown_in_its_place() {
    assert_eq!(
        rendered("-- title: x\nselect 1;\r\n\r\nselect workflow_id,\r\n\tsesion_id from workflow_sessions;\r\n"),
        "q.sql:5:2: no column \"sesion_id\"\n  |\n5 | \tsesion_id from workflow_sessions;\n  | \t^^^^^^^^^\nhint: did you mean \"session_id\"?"
    );
}

#[test]
fn every_kind_of_error_has_a_place_and_a_clean_message() {
    for (sql, shown) in CASES {
        assert_eq!(brief(sql), *shown, "{sql}");
    }
}

#[test]
fn what_the_engine_says_of_its_insides_is_put_into_words_of_sql() {
    let frame = "over (order by started_at rows between 1 preceding and current row) from workflow_sessions";
    let outer = "from workflow_sessions v where v.workflow_id = w.workflow_id";
    for (sql, words) in [
        ("select 1 from workflow_sessions where row_number() over () = 1", "a window function is not allowed here"),
        (&format!("select string_agg(session_id, ',') {frame}"), "string_agg is not supported over a frame"),
        (&format!("select bool_and(true) {frame}"), "bool_and is not supported over a frame"),
        (
            &format!("select (select v.session_id {outer}) from workflow_sessions w"),
            "the subquery may have several rows",
        ),
        (
            &format!("select 1 from workflow_sessions w order by (select max(v.session_id) {outer})"),
            "a subquery that names columns of the outer query is not supported in ORDER BY",
        ),
        (
            &format!("select * from workflow_sessions w, lateral (select 1 {outer} order by 1 limit 1) l"),
            "this subquery in FROM cannot be computed for each w.workflow_id",
        ),
        ("select 1 in (select true)", "cannot compare integer with boolean"),
        ("select lower(*) from workflow_sessions", "* stands for the columns of a select list"),
        ("select sum(unnest(array[1, 2]))", "unnest() is not supported inside of aggregates"),
        ("select unnest(1)", "unnest() takes a list"),
        ("select * from generate_series(1, (select 3))", "a series in FROM is the same for all rows"),
        (
            "select * from generate_series('a', 'b')",
            "argument 1 of a series is an integer, a date or a timestamp, not text",
        ),
        ("select session_id['a'] from workflow_sessions", "text has no fields"),
        ("select * from (values (1, 2)) t(a)", "1 name for 2 columns"),
        ("select 1 || 2", "cannot join integer and integer"),
        ("select 1 and 2", "AND takes two conditions, not integer and integer"),
        ("select started_at + started_at from workflow_sessions", "cannot apply + to timestamp and timestamp"),
        ("select started_at + 1 from workflow_sessions", "cannot apply + to timestamp and integer"),
        ("select - started_at from workflow_sessions", "- cannot be used with timestamp"),
        ("select 5::interval", "cannot cast integer to interval"),
        ("select 3000000000::int", "3000000000 is out of range of integer"),
        ("select abs((-9223372036854775807) - 1)", "abs(-9223372036854775808) is out of range of its type"),
        ("select factorial(50)", "factorial(50) is out of range of its type"),
        ("select sum(*) from workflow_sessions", "sum takes numbers and lengths of time"),
        (
            "select count(*) from workflow_sessions group by 3",
            "GROUP BY position 3 is out of range, the query has 1 column",
        ),
        ("select grouping(workflow_id) from workflow_sessions", "grouping() takes what GROUP BY names"),
        ("select count(distinct session_id, workflow_id) from workflow_sessions", "count(distinct …) takes one value"),
        ("select top 5 * from workflow_sessions", "TOP is not known here"),
        ("select * from workflow_sessions pivot (count(*) for workflow_id in ('a'))", "PIVOT is not known here"),
        ("select date 5", "the value of such a literal is a text"),
        ("select w.* from workflow_sessions", "no table \"w\" in this query"),
        ("select count(*) over w from workflow_sessions", "no window \"w\" in this query"),
        ("select array[1] union select 1", "the column 1 is list on one side of UNION and integer on the other"),
        ("select array_resize(array[1], -1)", "array_resize takes a size of 0 or more"),
        (
            "select * from workflow_sessions a join workflow_sessions b on a.session_id",
            "the join condition is text, not boolean",
        ),
        (
            "select lag(session_id, 'x') over (order by session_id) from workflow_sessions",
            "the number of rows of this window",
        ),
    ] {
        let shown = rendered(sql);
        assert!(shown.contains(&format!(": {words}")), "{sql}\n{shown}");
    }
}

#[test]
fn a_star_that_has_a_name_twice_is_shown() {
    let given = brief("select * from (select 1 as a, 2 as a) as t");
    assert_eq!(given, "1:36+1 two columns are both named \"a\" / give one of them another name with AS");
    let shown = brief("select workflow_id, * from workflow_sessions");
    assert_eq!(
        shown,
        "1:21+1 two columns are both named \"workflow_id\" / name the columns in the place of *, each once"
    );
}

/// SQL, and what [`brief`] makes of its error.
const CASES: &[(&str, &str)] = &[
    (
        "select w.sesion_id from workflow_sessions w",
        "1:8+11 no column \"sesion_id\" in \"w\" / did you mean \"session_id\"?",
    ),
    ("select x.session_id from workflow_sessions w", "1:8+12 no table \"x\" in this query / the tables here are w"),
    (
        "select nothing_like_it from workflow_sessions",
        "1:8+15 no column \"nothing_like_it\" / the columns are session_id, workflow_id, started_at, time_in_workflow",
    ),
    ("select \"Session Id\" from workflow_sessions", "1:8+12 no column \"Session Id\" / did you mean \"session_id\"?"),
    (
        "select * from workflow_sessions order by nope",
        "1:42+4 no column \"nope\" / the columns are session_id, workflow_id, started_at, time_in_workflow",
    ),
    (
        "select 'nope' from workflow_sessions /* nope */ order by nope",
        "1:58+4 no column \"nope\" / the columns are session_id, workflow_id, started_at, time_in_workflow",
    ),
    (
        "select * from workflow_sessions w join workflow_sessions v using (nope)",
        "1:67+4 no column \"nope\" / the columns are session_id, workflow_id, started_at, time_in_workflow",
    ),
    ("select sum(x) over (partition by nope) from (values (1)) t(x)", "1:34+4 no column \"nope\" / the columns are x"),
    (
        "select foo.bar.baz from workflow_sessions",
        "1:8+11 no table \"foo.bar\" in this query / the tables here are workflow_sessions",
    ),
    ("select * from workflow_sesions", "1:15+16 no table \"workflow_sesions\" / did you mean \"workflow_sessions\"?"),
    ("with recent as (select 1 as a) select * from recnt", "1:46+5 no table \"recnt\" / did you mean \"recent\"?"),
    (
        "select * from elsewhere.nothing",
        "1:15+17 no table \"elsewhere.nothing\" / the tables are workflow_sessions, quarantine",
    ),
    ("insert into nope values (1)", "1:13+4 no table \"nope\" / the tables are workflow_sessions, quarantine"),
    ("select * from nosuch(1)", "1:15+6 no table function \"nosuch\" / -"),
    ("select abss(1)", "1:8+4 no function \"abss\" / did you mean \"abs\"?"),
    ("select zzzzqqqq(1)", "1:8+8 no function \"zzzzqqqq\" / sessionlake describe lists the functions"),
    (
        "select lag(session_id) from workflow_sessions",
        "1:8+3 window function \"lag\" needs an OVER clause / write lag(…) over (order by …)",
    ),
    ("select 'abs', abs('x', 1)", "1:15+3 no function matches abs(text, integer) / it takes 1 argument"),
    ("select abs(session_id) from workflow_sessions", "1:8+3 no function matches abs(text) / call it as abs(number)"),
    ("select substr(1)", "1:8+6 substring without for/from is not valid / -"),
    (
        "select round()",
        "1:8+5 no function matches round() / call it as round(decimal, integer) or round(decimal) or round(integer, integer) or round(integer)",
    ),
    (
        "select date_trunc(started_at) from workflow_sessions",
        "1:8+10 no function matches date_trunc(timestamp) / it takes 2 arguments",
    ),
    (
        "select sum(session_id) from workflow_sessions",
        "1:8+3 no function matches sum(text) / call it as sum(decimal) or sum(integer) or sum(float) or sum(duration)",
    ),
    (
        "select coalesce(started_at, session_id) from workflow_sessions",
        "1:8+8 no function matches coalesce(timestamp, text) / -",
    ),
    ("select nullif(started_at, 5) from workflow_sessions", "1:8+6 no function matches nullif(timestamp, integer) / -"),
    (
        "select date_trunc('fortnight', started_at) from workflow_sessions",
        "1:19+11 unsupported date_trunc granularity: 'fortnight'. Supported values are: microsecond, millisecond, second, minute, hour, day, week, month, quarter, year / -",
    ),
    (
        "select session_id from workflow_sessions a, workflow_sessions b",
        "1:8+10 column \"session_id\" is ambiguous / write a.session_id or b.session_id",
    ),
    (
        "select workflow_id, session_id, count(*) from workflow_sessions group by workflow_id",
        "1:21+10 session_id is neither in GROUP BY nor inside an aggregate / add it to GROUP BY, or aggregate it, for example max(session_id)",
    ),
    (
        "select workflow_id, upper(session_id) from workflow_sessions group by workflow_id",
        "1:27+10 session_id is neither in GROUP BY nor inside an aggregate / add it to GROUP BY, or aggregate it, for example max(session_id)",
    ),
    (
        "select * from workflow_sessions group by workflow_id",
        "1:1+6 session_id is neither in GROUP BY nor inside an aggregate / add it to GROUP BY, or aggregate it, for example max(session_id)",
    ),
    (
        "select workflow_id from workflow_sessions group by workflow_id having session_id = 'x'",
        "1:71+10 session_id is neither in GROUP BY nor inside an aggregate / add it to GROUP BY, or aggregate it, for example max(session_id)",
    ),
    (
        "select * from workflow_sessions where session_id = 'a' and started_at > 5",
        "1:71+1 cannot compare timestamp with integer / instants are written '2026-11-20T09:00:00Z', in quotes; to_timestamp(x) is that of x seconds after 1970",
    ),
    (
        "select * from workflow_sessions where started_at > 5 and time_in_workflow > 1",
        "1:1+6 cannot compare timestamp with integer / instants are written '2026-11-20T09:00:00Z', in quotes; to_timestamp(x) is that of x seconds after 1970",
    ),
    (
        "select * from workflow_sessions where started_at <> true",
        "1:50+2 cannot compare timestamp with boolean / cast one side, for example cast(… as timestamp)",
    ),
    (
        "select * from workflow_sessions where time_in_workflow > 'abc'",
        "1:58+5 cannot read \"abc\" as float / use try_cast(… as double) to get null instead",
    ),
    (
        "select * from workflow_sessions where started_at > 'abc'",
        "1:52+5 cannot read \"abc\" as timestamp / write it as '2026-03-01T09:00:00Z'",
    ),
    (
        "select session_id + 1 from workflow_sessions",
        "1:8+10 cannot apply + to text and integer / cast one side, for example cast(… as bigint)",
    ),
    (
        "select session_id + workflow_id from workflow_sessions",
        "1:8+24 cannot apply + to text and text / texts are joined with ||",
    ),
    (
        "select started_at + session_id from workflow_sessions",
        "1:8+23 cannot apply + to timestamp and text / what is added to a time is an interval, as in + interval '1 day'",
    ),
    (
        "select unnest(struct(1, 2)) + 1",
        "1:29+1 cannot apply + to struct and integer / take a field out of the struct, for example (x)['c0']",
    ),
    ("select 1 as a, 2 as a", "1:21+1 two columns are both named \"a\" / give one of them another name with AS"),
    (
        "select session_id, session_id from workflow_sessions",
        "1:20+10 two columns are both named \"session_id\" / give one of them another name with AS",
    ),
    (
        "select * from workflow_sessions where count(*) > 1",
        "1:39+5 aggregate functions are not allowed in WHERE / use HAVING, which sees the groups",
    ),
    (
        "select count(*) from workflow_sessions where sum(time_in_workflow) > 1",
        "1:46+3 aggregate functions are not allowed in WHERE / use HAVING, which sees the groups",
    ),
    (
        "select sum(count(*)) from workflow_sessions",
        "1:12+5 aggregate function calls cannot be nested / compute count(*) in an inner query and aggregate its result",
    ),
    (
        "select cast('abc' as int)",
        "1:13+5 cannot read \"abc\" as integer / use try_cast(… as bigint) to get null instead",
    ),
    ("select 'abc'::date", "1:8+5 cannot read \"abc\" as date / use try_cast(… as date) to get null instead"),
    (
        "select session_id::int from workflow_sessions",
        "1:1+6 cannot read \"a\" as integer / use try_cast(… as bigint) to get null instead",
    ),
    (
        "select date '2026-13-01'",
        "1:13+12 cannot read \"2026-13-01\" as date / use try_cast(… as date) to get null instead",
    ),
    ("select interval 'foo'", "1:17+5 invalid input syntax for type interval: \"foo\" / -"),
    ("select not 5", "1:8+3 NOT cannot be used with integer / -"),
    ("select -session_id from workflow_sessions", "1:9+10 - cannot be used with text / -"),
    ("select 1 union select 1, 2", "1:16+11 the sides of UNION have different numbers of columns: 1 and 2 / -"),
    (
        "select * from workflow_sessions where session_id",
        "1:39+10 the condition session_id is text, not boolean / compare it with something",
    ),
    (
        "select * from workflow_sessions order by 9",
        "1:42+1 ORDER BY position 9 is out of range, the query has 4 columns / -",
    ),
    (
        "select (select session_id, workflow_id from workflow_sessions)",
        "1:9+6 the subquery must return one column / select only one column in the subquery",
    ),
    ("select 1/0", "1:9+1 division by zero / divide by nullif(divisor, 0) to get null instead"),
    ("drop table nope", "1:12+4 table 'nope' doesn't exist / -"),
    ("select * from workflow_sessions limit 'x'", "1:39+3 LIMIT takes an integer, not text / -"),
    (
        "select 1::nosuchtype",
        "1:11+10 unknown type \"nosuchtype\" / usual types are text, bigint, double, boolean, date, timestamp and interval",
    ),
    ("set datafusion.nope = 1", "1:16+4 no setting \"nope\" / -"),
    ("select $x + 1", "1:8+2 parameter $x has no value / give it with ⟨param⟩ x=…"),
    ("with a as (select 1), a as (select 2) select * from a", "1:23+1 WITH names \"a\" more than once / -"),
    ("values (1), (1,2)", "1:1+6 the rows of VALUES differ in length: got 2 values in row 1 but expected 1 / -"),
    (
        "select * from workflow_sessions where session_id like 5",
        "1:50+4 cannot use LIKE with text and integer / cast one side, for example cast(… as text)",
    ),
    (
        "select * from workflow_sessions where session_id between 1 and started_at",
        "1:50+7 cannot use BETWEEN with text and timestamp / cast one side, for example cast(… as text)",
    ),
    (
        "select * from workflow_sessions where session_id ~ '('",
        "1:52+3 invalid regular expression \"(\": unclosed group / -",
    ),
    ("select regexp_match('x', '(')", "1:26+3 invalid regular expression \"(\": unclosed group / -"),
    (
        "select regexp_match('x', '[b-a]')",
        "1:26+7 invalid regular expression \"[b-a]\": invalid character class range, the start must be <= the end / -",
    ),
    ("show nope", "1:1+4 SHOW [VARIABLE] is not supported unless information_schema is enabled / -"),
    ("select * from workflow_sessions limit $n", "1:39+2 LIMIT takes an integer or a parameter that has a value / -"),
    ("selct 1", "1:1+5 expected an SQL statement, found \"selct\" / did you mean SELECT instead of \"selct\"?"),
    (
        "select * form workflow_sessions",
        "1:15+17 expected the end of the statement, found \"workflow_sessions\" / did you mean FROM instead of \"form\"?",
    ),
    ("select 1 +", "1:11+1 expected an expression, found the end of the file / -"),
    ("select 1 +;\nselect 2", "1:11+1 expected an expression, found the end of the statement / -"),
    ("select (1", "1:10+1 expected ), found the end of the file / -"),
    ("select 1,\nfrom t", "2:1+4 expected an expression, found \"from\" / is there a comma too many before it?"),
    ("select 'abc\n", "1:8+1 unterminated string literal / close the text with ', and write a quote inside it as ''"),
    (
        "select 1 /* open",
        "1:17+1 unexpected EOF while in a multi-line comment / close the comment with */; comments nest",
    ),
    ("select \"abc", "1:8+1 expected close delimiter '\"' before EOF / close the name with \""),
    (
        "select $a$ abc",
        "1:15+1 unterminated dollar-quoted, expected $ / close the text with the same $tag$ that opens it",
    ),
    (
        "select 1\nselect 2",
        "2:1+6 expected the end of the statement, found \"select\" / is there a ; missing before it?",
    ),
    ("copy t", "1:6+1 missing TO clause in COPY statement / -"),
    (
        "select 1; \\d",
        "1:11+1 expected an SQL statement, found \"\\\\\" / commands such as \\d belong to the shell, not to a file",
    ),
    ("create external table t location 'x'", "1:34+3 missing STORED AS clause in CREATE EXTERNAL TABLE statement / -"),
    ("explain foo", "1:9+3 expected an SQL statement, found \"foo\" / -"),
    ("select $", "1:8+1 the parameter has no name / write $name"),
    ("select * from t where", "1:22+1 expected an expression, found the end of the file / -"),
    (
        "select E'\\u{zz}'",
        "1:8+1 unterminated encoded string literal / close the text with ', and write a quote inside it as ''",
    ),
    ("explain (nope) select 1", "1:14+1 unknown EXPLAIN option: nope / -"),
    ("copy t to 'a' to 'b'", "1:15+2 TO specified more than once / -"),
    ("select 'a' from workflow_sessions limit -1", "1:41+1 LIMIT must be >= 0, '-1' was provided / -"),
    (
        "select 5 from workflow_sessions where time_in_workflow in ('x')",
        "1:60+3 cannot read \"x\" as float / use try_cast(… as double) to get null instead",
    ),
    (
        "select case workflow_id when 1 then 'a' else 2 end from workflow_sessions",
        "1:1+6 cannot read \"w\" as integer / use try_cast(… as bigint) to get null instead",
    ),
    ("create table workflow_sessions as select 1", "1:14+17 table 'workflow_sessions' already exists / -"),
    ("select array[1, 'a']", "1:17+3 cannot read \"a\" as integer / use try_cast(… as bigint) to get null instead"),
    (
        "select unnest(5)",
        "1:8+6 unnest() takes a list / string_to_array(text, ',') makes one of a text, and json_get_array(data, 'key') one of JSON",
    ),
];

#[test]
fn carets_stand_under_what_is_wrong() {
    assert_eq!(
        rendered("select\n    started_at + session_id\nfrom workflow_sessions"),
        "q.sql:2:5: cannot apply + to timestamp and text\n  |\n2 |     started_at + session_id\n  |     ^^^^^^^^^^^^^^^^^^^^^^^\nhint: what is added to a time is an interval, as in + interval '1 day'"
    );
    assert_eq!(
        rendered("-- abs\nselect 'abs(', abs('é', 1)"),
        "q.sql:2:16: no function matches abs(text, integer)\n  |\n2 | select 'abs(', abs('é', 1)\n  |                ^^^\nhint: it takes 1 argument"
    );
    assert_eq!(
        rendered("select 1\n  +"),
        "q.sql:2:4: expected an expression, found the end of the file\n  |\n2 |   +\n  |    ^"
    );
}

fn script() -> Script {
    parse("q.sql", "select 1;\nselect '$.[' from t").unwrap()
}

#[test]
fn errors_that_are_not_about_sql_keep_their_kind() {
    let script = script();
    let full = DataFusionError::ResourcesExhausted("no memory".to_owned()).context("sort");
    assert!(matches!(locate(full, &script, None), Error::Limit { .. }));
    let disk = DataFusionError::IoError(std::io::Error::other("disk"));
    assert!(matches!(locate(DataFusionError::Shared(Arc::new(disk)), &script, None), Error::Storage { .. }));
    let defect = DataFusionError::Internal("oops".to_owned());
    assert!(matches!(locate(defect, &script, None), Error::Internal(_)));
    // They say in which statement they were met.
    let second = || script.statements.get(1);
    let full = DataFusionError::ResourcesExhausted("no memory".to_owned()).context("sort");
    assert_eq!(locate(full, &script, second()).to_string(), "q.sql:2: no memory");
    let defect = DataFusionError::Internal("oops".to_owned());
    assert!(locate(defect, &script, second()).to_string().starts_with("internal error: q.sql:2: oops"));
    let disk = DataFusionError::IoError(std::io::Error::other("disk"));
    assert_eq!(locate(disk, &script, second()).to_string(), "q.sql:2: input/output: disk");
}

#[test]
fn errors_of_ours_come_out_of_the_engine_as_they_went_in() {
    let script = script();
    let ours = || DataFusionError::External(Box::new(Error::Check { message: "too many".to_owned() }));
    let wrapped = [
        ours(),
        ours().context("scan"),
        DataFusionError::Shared(Arc::new(ours())),
        DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(ours()))), None),
    ];
    for error in wrapped {
        assert!(matches!(locate(error, &script, None), Error::Check { .. }));
    }
    // A function that refuses its argument gets the place of the argument.
    let usage = DataFusionError::External(Box::new(Error::usage("invalid JSON path \"$.[\"").with_hint("close it")));
    let located = locate(usage, &script, script.statements.get(1));
    assert_eq!(located.to_string().lines().next(), Some("q.sql:2:8: invalid JSON path \"$.[\""));
    assert_eq!(located.hint(), Some("close it"));
}

#[test]
fn an_unknown_message_points_at_what_it_quotes_or_at_the_statement() {
    let script = script();
    let first_line =
        |error| locate(error, &script, script.statements.get(1)).to_string().lines().next().unwrap().to_owned();
    let plan = |message: &str| DataFusionError::Plan(message.to_owned());
    assert_eq!(first_line(plan("Bad path '$.[' here.")), "q.sql:2:8: bad path '$.[' here");
    assert_eq!(first_line(plan("Something else\nwith details")), "q.sql:2:1: something else");
    let without = locate(plan("Something else"), &script, None);
    assert_eq!(without.to_string(), "q.sql: something else");
}
