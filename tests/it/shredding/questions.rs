//! Questions about JSON paths: every function over every path, in every shape of query, drawn by chance.

use super::documents::{PATHS, Random};

/// What a call returns, which decides where it can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Boolean,
    /// Lists and JSON values, which are shown and no more.
    Other,
}

/// Paths that go into arrays by an index, as the arguments of a function.
const INDEXED: &[&str] = &["'a', 0", "'b', 0, 'c'", "'a', -1", "'d', '0'", "2, 'a'", "'b', '-1', 'c'"];

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Draws a call over `data` of some table.
fn call(random: &mut Random, wanted: Option<Kind>) -> (String, Kind) {
    loop {
        let (call, kind) = any_call(random);
        if wanted.is_none_or(|wanted| wanted == kind) {
            return (call, kind);
        }
    }
}

fn any_call(random: &mut Random) -> (String, Kind) {
    let path = PATHS[random.below(PATHS.len())];
    let keys = if random.below(8) == 0 {
        random.pick(INDEXED).to_owned()
    } else {
        path.iter().map(|key| literal(key)).collect::<Vec<_>>().join(", ")
    };
    let arrows = |last: &str| {
        let (end, start) = path.split_last().unwrap();
        let start: String = start.iter().map(|key| format!("->{}", literal(key))).collect();
        format!("data{start}{last}{}", literal(end))
    };
    let json_path: String = path.iter().map(|key| format!("[{}]", serde_json::to_string(key).unwrap())).collect();
    let json_path = literal(&format!("${json_path}"));
    let quoted: Vec<String> = path.iter().map(|key| format!("\"{key}\"")).collect();
    let steps = literal(&format!("{{{}}}", quoted.join(",")));
    let (value, text) = (arrows("->"), arrows("->>"));
    match random.below(30) {
        0 => (format!("json_get_str(data, {keys})"), Kind::Text),
        1 | 2 => (format!("json_as_text(data, {keys})"), Kind::Text),
        3 => (format!("json_get_json(data, {keys})"), Kind::Text),
        4 => (format!("json_value(data, {json_path})"), Kind::Text),
        5 => (format!("json_query(data, {json_path})"), Kind::Text),
        6 | 7 => (format!("({text})"), Kind::Text),
        8 => (format!("(data #>> {steps})"), Kind::Text),
        9 => (format!("({value})::text"), Kind::Text),
        10 | 11 => (format!("json_get_int(data, {keys})"), Kind::Number),
        12 | 13 => (format!("json_get_float(data, {keys})"), Kind::Number),
        14 => (format!("({value})::int"), Kind::Number),
        15 => (format!("({value})::bigint"), Kind::Number),
        16 => (format!("(data #> {steps})::double"), Kind::Number),
        17 => (format!("json_length(data, {keys})"), Kind::Number),
        18 => (format!("json_get_bool(data, {keys})"), Kind::Boolean),
        19 => (format!("({value})::boolean"), Kind::Boolean),
        20 => (format!("json_contains(data, {keys})"), Kind::Boolean),
        21 => (format!("(data ? {})", literal(path[0])), Kind::Boolean),
        22 => (format!("json_exists(data, {json_path})"), Kind::Boolean),
        23 => (format!("json_union_to_text({value})"), Kind::Other),
        24 => (format!("json_get_array(data, {keys})"), Kind::Other),
        25 => ("action_name(action_data)".to_owned(), Kind::Text),
        26 => (format!("email_domain(json_get_str(data, {keys}))"), Kind::Text),
        27 => {
            let call = random.pick(&["data->>'mail'", "json_get_str(data, 'mail')", "json_value(data, '$.mail')"]);
            (format!("email_domain({call})"), Kind::Text)
        }
        28 => (
            random.pick(&["email_domain(action_data)", "action_name(data)", "action_name(data->>'mail')"]).to_owned(),
            Kind::Text,
        ),
        _ => (format!("json_object_keys(data, {keys})"), Kind::Other),
    }
}

/// Draws a condition.
fn condition(random: &mut Random) -> String {
    const TEXTS: &[&str] =
        &["'x'", "'12'", "'true'", "'1.50'", "''", "'second'", "'first'", "'null'", "'1'", "'x.de'", "'end'"];
    match random.below(9) {
        0 => format!("{} = {}", call(random, Some(Kind::Text)).0, random.pick(TEXTS)),
        1 => format!("{} <> {}", call(random, Some(Kind::Text)).0, random.pick(TEXTS)),
        2 => format!("{} in ('x', '1', 'cut')", call(random, Some(Kind::Text)).0),
        3 => format!("{} like '%{}%'", call(random, Some(Kind::Text)).0, random.pick(&["l", "c", "1", "{"])),
        4 => format!("{} > {}", call(random, Some(Kind::Number)).0, random.pick(&["0", "1", "-1", "2"])),
        5 => format!("{} between 1 and 12", call(random, Some(Kind::Number)).0),
        6 => call(random, Some(Kind::Boolean)).0,
        7 => format!("not {}", call(random, Some(Kind::Boolean)).0),
        _ => {
            let (call, _) = call(random, Some(Kind::Text));
            format!("{call} is {}null", random.pick(&["", "not "]))
        }
    }
}

fn conditions(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("{} and {}", condition(random), condition(random)),
        1 => format!("({} or {})", condition(random), condition(random)),
        _ => condition(random),
    }
}

/// Draws a question: statements, of which the last one has the answer.
pub fn question(random: &mut Random) -> Vec<String> {
    let several: Vec<String> = (0..random.below(6) + 1).map(|_| call(random, None).0).collect();
    let columns: Vec<String> = several.iter().enumerate().map(|(index, call)| format!("{call} as v{index}")).collect();
    let columns = columns.join(", ");
    let (text, other_text) = (call(random, Some(Kind::Text)).0, call(random, Some(Kind::Text)).0);
    let (number, boolean) = (call(random, Some(Kind::Number)).0, call(random, Some(Kind::Boolean)).0);
    let wanted = conditions(random);
    let of = |call: &str, table: &str| {
        let call = call.replace("action_data", "actions").replace("data", &format!("{table}.data"));
        call.replace("actions", &format!("{table}.action_data"))
    };
    let question = match random.below(20) {
        0 | 1 => format!("select session_id, {columns} from t order by 1"),
        2 | 3 => format!("select session_id, {columns} from t where {wanted} order by 1"),
        4 => format!(
            "select {text} as v, count(*), min({number}), max({other_text}) from t group by 1 order by 1 nulls first"
        ),
        5 => format!(
            "select {number} as v, {boolean} as w, count(*) from t where {wanted} group by 1, 2 order by 1, 2, 3"
        ),
        6 => format!("select min({text}), max({number}), count({boolean}), count(distinct {other_text}) from t"),
        7 => format!("select session_id from t where {wanted} order by {number} desc nulls last, {text}, 1 limit 50"),
        8 => format!(
            "with q as (select session_id, {text} as v, {number} as n from t) \
             select v, count(*), sum(n) from q where v > 'a' or n > 0 group by v having count(*) > 0 order by v"
        ),
        9 => format!(
            "select a.session_id, b.session_id from t a join t b on {} = {} where {} order by 1, 2 limit 200",
            of(&text, "a"),
            of(&other_text, "b"),
            of(&boolean, "a")
        ),
        10 => format!(
            "select a.session_id, {} as v, b.n from t a left join (select session_id, {number} as n from t) b \
             on a.session_id = b.session_id order by 1",
            of(&text, "a")
        ),
        11 => format!("select distinct {text} as v, {boolean} as w from t order by 1, 2"),
        12 => format!(
            "select distinct case when {number} > 1 then {text} when {boolean} then {other_text} else 'small' end as v \
             from t order by 1"
        ),
        13 => format!(
            "select count(*) filter (where {wanted}), sum({number}) filter (where {boolean}), count({text}) from t"
        ),
        14 => format!(
            "select session_id, lag({text}) over (partition by {other_text} order by {number}, session_id) as v, \
             row_number() over (order by {text}, session_id), {boolean} as w from t order by 1"
        ),
        15 => format!(
            "select {text}, sum({number}) over (partition by {text}), count(*) over (order by {number}) from t \
             where {wanted} order by 1, 2, 3"
        ),
        16 => {
            return vec![
                format!("create or replace view seen as select session_id, {columns}, {text} as v from t"),
                format!("select v, count(*) from seen where v is not null group by v order by v"),
            ];
        }
        17 => {
            format!("select session_id from t where {text} in (select {other_text} from t where {wanted}) order by 1")
        }
        18 => format!(
            "select upper({text}) as v, coalesce({other_text}, 'none') as w, {number} + 1.0 as n from t \
             union all select 'x', {text}, 0.0 from t where {wanted} order by 1, 2, 3"
        ),
        _ => format!("select {boolean} as v, array_agg({text} order by session_id) from t group by 1 order by 1"),
    };
    vec![question]
}
