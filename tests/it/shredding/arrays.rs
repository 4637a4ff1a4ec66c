//! The proof for leaves inside arrays: what is asked of unnested elements gets the same answer with them and without.
//!
//! The arrays are tidy in some files, so that leaves answer, and odd in others: no arrays, broken ones, nested ones, other
//! elements than objects, keys of any kind, arrays so long that they are not taken.

use std::sync::Arc;

use arrow::array::AsArray;
use sessionlake::engine::{Engine, Leaves};
use sessionlake::lake::FileLimits;
use sessionlake::shred::{MANIFEST_KEY, MAX_ELEMENTS};

use super::documents::Random;
use super::plans::bytes_scanned;
use super::{answer, engine, seeds, wanted_seeds, write};

/// What stands where an array of objects is expected.
const ODD_ARRAYS: &[&str] = &[
    "null",
    "1",
    "\"ev\"",
    "{}",
    r#"{"t":"object"}"#,
    "[]",
    "[ ]",
    "[[]]",
    r#"[[{"t":"nested"}]]"#,
    r#"[{"t":"menu"},["t",{"t":"in array"}],{"t":"queue","n":2}]"#,
    r#"[null,true,1,-0,1.50,"t",{"t":"menu"}]"#,
    r#"[{"t":"first","t":"second","n":1,"n":"2"}]"#,
    r#"[{"t":"menu","n":1,"f":0.5,"b":true}"#,
    r#"[{"t":"menu"},{"t":"#,
    r#"[{"t":"menu"},{"t":oops}]"#,
    r#"[{"t":"menu"},oops]"#,
    r#"[{"t":"menu"},{"t":"\q","n":1}]"#,
    r#"[{"t":"menu"},{"n":1,"t":"\ud800"}]"#,
    r#"[{"t":"x\ud83d","n":1,"o":{"k":"\ude00"}},"\ud83d",{"t":"a longer text behind half a pair","k\ud83d":1}]"#,
    r#"[{"t":"\ud83d","n":1},{"t":"\q"}]"#,
    r#"[{"n":"\q","t":"behind"},{"t":"menu" "n":1}]"#,
    r#"[{"t":"menu"},]"#,
    r#"[,{"t":"menu"}]"#,
    r#"[{"t":"menu"} {"t":"queue"}]"#,
    r#" [ { "t" : "spaces" , "n" : 12 } , { "t" : "menu" } ] "#,
    r#"[{"o":{"k":"x"}},{"o":"text"},{"o":[{"k":"y"}]},{"o":{"k":{"z":1}}}]"#,
    r#"[{"a[b":"bracket","":"empty","0":"zero"},{"a[b":"x"}]"#,
];

/// The same in documents that are sound, so that leaves answer in spite of them.
const SOUND_ODD: &[&str] = &["null", "1", "\"ev\"", "{}", r#"{"t":"object"}"#, r#"{"x":0,"t":[1]}"#, "[]"];

/// The part of arrays that are odd in files whose documents are sound.
const SOUND: usize = 1;

/// Values of keys that are of another kind than usual.
const ODD_VALUES: &[&str] = &[
    "null",
    "1",
    "-0",
    "1.50",
    "1e400",
    "\"12\"",
    "\"true\"",
    "true",
    "[]",
    "{\"k\":1}",
    "12345678901234567890",
    "\"\"",
];

/// Draws an array; of a hundred arrays and values about so many are odd.
fn array(random: &mut Random, odd: usize) -> String {
    if odd == SOUND && random.below(20) == 0 {
        return random.pick(SOUND_ODD).to_owned();
    }
    if random.below(100) < odd && odd != SOUND {
        return random.pick(ODD_ARRAYS).to_owned();
    }
    let elements: Vec<String> = (0..random.below(5)).map(|_| element(random, odd)).collect();
    format!("[{}]", elements.join(","))
}

fn element(random: &mut Random, odd: usize) -> String {
    let mut members = Vec::new();
    for (key, usual) in [
        ("t", ["\"menu\"", "\"queue\"", "\"é\\n\""]),
        ("n", ["1", "2", "-30"]),
        ("f", ["0.5", "2.25", "-0.125"]),
        // Whole and broken numbers, and one that does not read back as it is written.
        ("m", ["3", "3.5", "1e-7"]),
        ("b", ["true", "false", "true"]),
        ("a[b", ["\"x\"", "\"y\"", "\"x\""]),
        ("o", [r#"{"k":"x"}"#, r#"{"k":"y","l":1}"#, "{}"]),
    ] {
        if random.below(5) > 0 {
            let value = if random.below(100) < odd { random.pick(ODD_VALUES) } else { random.pick(&usual) };
            members.push(format!("\"{key}\":{value}"));
        }
    }
    format!("{{{}}}", members.join(","))
}

fn documents(random: &mut Random, odd: usize) -> Vec<Option<String>> {
    let mut documents: Vec<Option<String>> = (0..250)
        .map(|_| {
            let (first, second) = (array(random, odd), array(random, odd));
            Some(match random.below(6) {
                0 => format!(r#"{{"ev":{first}}}"#),
                1 => format!(r#"{{"x":1,"v":{{"y":"{}","ev":{first}}},"ev":{second}}}"#, random.pick(&["p", "q"])),
                2 if odd > 0 => format!(r#"{{"ev":{first},"ev":{second},"v":{{"ev":{second}}},"v":{{"ev":{first}}}}}"#),
                _ => format!(r#"{{"v":{{"ev":{first},"y":"p"}},"ev":{second}}}"#),
            })
        })
        .collect();
    documents.push(None);
    if odd > SOUND {
        let many = |count: usize| vec![r#"{"t":"many","n":7}"#; count].join(",");
        documents.push(Some(format!(r#"{{"ev":[{}]}}"#, many(300))));
        documents.extend(ODD_ARRAYS.iter().map(|array| Some(format!(r#"{{"ev":{array},"v":{{"ev":{array}}}}}"#))));
        for levels in [120, 198, 199, 200, 201] {
            let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            documents.push(Some(format!(r#"{{"ev":[{{"t":"deep","n":{nested}}},{nested}],"v":{{"ev":{nested}}}}}"#)));
        }
        documents.extend(
            ["", "null", "[]", r#"[{"ev":[{"t":"x"}]}]"#, r#"{"v":[{"ev":[{"t":"x"}]}]}"#]
                .map(|odd| Some(odd.to_owned())),
        );
    }
    for index in (1..documents.len()).rev() {
        documents.swap(index, random.below(index + 1));
    }
    documents
}

/// Draws a call on an element, and says whether it is a condition.
fn call(random: &mut Random, element: &str) -> String {
    let key = random.pick(&["t", "n", "f", "m", "b", "a[b", "nowhere", "o", "0", ""]);
    match random.below(16) {
        0..=2 => format!("json_get_str({element}, '{key}')"),
        3 => format!("json_get_int({element}, '{key}')"),
        4 => format!("json_get_float({element}, '{key}')"),
        5 => format!("json_get_bool({element}, '{key}')"),
        6 => format!("json_as_text({element}, '{key}')"),
        7 => format!("({element}->>'{key}')"),
        8 => format!("({element}->'{key}')::bigint"),
        9 => format!("({element}->'{key}')::text"),
        10 => format!("json_get_str({element}, 'o', 'k')"),
        11 => format!("({element}->'o'->>'{}')", random.pick(&["k", "l"])),
        12 => format!("upper(json_get_str({element}, 't')) || coalesce({element}->>'n', '-')"),
        13 => format!("json_get_json({element}, '{key}')"),
        14 => format!("json_contains({element}, '{key}')"),
        _ => format!("json_length({element}, '{key}')"),
    }
}

fn condition(random: &mut Random, element: &str) -> String {
    match random.below(6) {
        0 | 1 => format!("json_get_str({element}, 't') = 'menu'"),
        2 => format!("json_get_int({element}, 'n') > 1"),
        3 => format!("{element}->>'t' in ('queue', 'many') or json_get_bool({element}, 'b')"),
        4 => format!("{} is {}null", call(random, element), random.pick(&["", "not "])),
        _ => format!("json_get_float({element}, 'f') < 2 and json_get_str({element}, 'o', 'k') <> 'y'"),
    }
}

/// Draws a condition on single elements and lengths of arrays, which a scan may be asked to filter by.
fn condition_of_rows(random: &mut Random, path: &str) -> String {
    let key = random.pick(&["t", "n", "m", "b", "nowhere"]);
    let index = random.pick(&["0", "1", "3", "-1", "'0'"]);
    let one = match random.below(8) {
        0 | 1 => format!("json_length(data, {path}) = {}", random.below(4)),
        2 => format!("json_length(data, {path}) + 1 between 2 and 3"),
        3 => format!("json_get_int(data, {path}, {index}, 'n') > 1"),
        4 => format!("json_get_str(data, {path}, {index}, 't') = 'menu'"),
        5 => format!("data->'v'->'ev'->0->>'{key}' <> 'queue'"),
        6 => format!("json_value(data, '$.v.ev[1].{key}') is {}null", random.pick(&["", "not "])),
        _ => format!("case when json_length(data, {path}) > 1 then json_get_bool(data, {path}, 0, 'b') end"),
    };
    match random.below(5) {
        0 => format!("{one} and session_id > '00050'"),
        1 => format!("({one} or session_id < '00030')"),
        2 => format!("not ({one})"),
        3 => format!("{one} and json_get_str(data, 'v', 'y') = 'p'"),
        _ => one,
    }
}

fn question(random: &mut Random) -> String {
    let path =
        random.pick(&["'ev'", "'v', 'ev'", "'v', 'ev'", "'v', 'y'", "'v'", "'nowhere'", "'ev', 0", "'v', 'ev', '1'"]);
    let array = format!("json_get_array(data, {path})");
    let from = match random.below(5) {
        0 => "t where json_get_str(data, 'v', 'y') = 'p'",
        1 => "t where session_id > '00100'",
        _ => "t",
    };
    let unnested = match random.below(4) {
        0 => format!("(select session_id, unnest(a) as e from (select session_id, {array} as a from {from}))"),
        1 => format!("(select session_id, data->'v'->>'y' as y, unnest({array}) as e from {from})"),
        _ => format!("(select session_id, unnest({array}) as e from {from})"),
    };
    let (first, second, third) = (call(random, "e"), call(random, "e"), call(random, "e"));
    let wanted = condition(random, "e");
    // Of single elements, and of how many there are.
    match random.below(15) {
        0 => return format!("select session_id from t where {} order by 1", condition_of_rows(random, path)),
        1 => {
            let (first, second) = (condition_of_rows(random, path), condition_of_rows(random, path));
            return format!(
                "select count(*), count(*) filter (where {second}) from t where {first} and ({second} or {first})"
            );
        }
        2 => {
            let wanted = condition_of_rows(random, path);
            return format!(
                "select json_length(data, {path}) as n, count(*) from (select * from t where {wanted}) group by 1 order by 1"
            );
        }
        _ => {}
    }
    if random.below(5) == 0 {
        let index = random.pick(&["0", "1", "1", "3", "-1", "'0'"]);
        let one = call(random, &format!("data, {path}, {index}"));
        let key = random.pick(&["t", "n", "m", "nowhere"]);
        return match one.starts_with("json_") {
            true => format!(
                "select session_id, {one} as a, json_length(data, {path}) as b, json_value(data, '$.v.ev[1].{key}') as c, \
                 data->'v'->'ev'->0->>'{key}' as d from {from} order by 1"
            ),
            false => format!(
                "select json_length(data, {path}) as n, count(json_get_int(data, 'v', 'ev', {index}, '{key}')) from {from} group by 1 order by 1"
            ),
        };
    }
    match random.below(13) {
        0 => format!("select session_id, {first} as a from {unnested} order by 1, 2"),
        1 => {
            format!("select session_id, {first} as a, {second} as b, {third} as c from {unnested} order by 1, 2, 3, 4")
        }
        2 => format!("select session_id, {first} as a from {unnested} where {wanted} order by 1, 2"),
        3 => format!("select json_get_str(e, 't') as a, count(*), max({second}) from {unnested} group by 1 order by 1"),
        4 => format!(
            "select {first} as a, {second} as b, count(*) from {unnested} where {wanted} group by 1, 2 order by 1, 2"
        ),
        5 => format!("select count(*), count({first}), count(distinct {second}), min({third}) from {unnested}"),
        6 => format!("select session_id, e, {first} as a from {unnested} where {wanted} order by 1, 2"),
        7 => format!(
            "select {} as a, {} as b, {} as c from (select unnest({array}) as e, unnest(json_get_array(data, 'ev')) as f from {from}) \
             order by 1, 2, 3",
            call(random, "e"),
            call(random, "f"),
            call(random, "f")
        ),
        8 => format!("select session_id, {array} is null, array_length({array}) from {from} order by 1"),
        9 => format!(
            "with q as (select session_id, json_get_str(e, 't') as k, {first} as a from {unnested}) \
             select q.k, count(*), count(p.a) from q join q p on q.session_id = p.session_id and q.k = p.k group by 1 order by 1"
        ),
        10 => format!(
            "select session_id, {first} as a, row_number() over (partition by session_id order by json_get_int(e, 'n'), {second}) as r \
             from {unnested} order by 1, 2, 3"
        ),
        11 => format!(
            "select {first} as a from {unnested} union all select {first} from {unnested} where {wanted} order by 1"
        ),
        _ => format!("select distinct {first} as a from {unnested} where {wanted} order by {first} limit 20"),
    }
}

async fn compare(seed: u64, questions: usize) -> (usize, Vec<String>) {
    let odd = [0, 2, 30, SOUND][seed as usize % 4];
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let limits = match seed % 2 {
        0 => FileLimits { file_rows: 100_000, row_group_rows: 100_000 },
        _ => FileLimits { file_rows: 200, row_group_rows: 50 },
    };
    let folder = tempfile::tempdir().unwrap();
    let budget = [200, 6, 200, 0][seed as usize / 3 % 4];
    let files = write(folder.path(), &documents(&mut random, odd), budget, limits);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    // The same text without the rule that asks for lists.
    without.context().state_ref().write().config_mut().options_mut().optimizer.enable_leaf_expression_pushdown = false;
    let (mut errors, mut differences) = (0, Vec::new());
    for _ in 0..questions {
        let question = vec![question(&mut random)];
        let (left, right) = (answer(&with, &question).await, answer(&without, &question).await);
        errors += usize::from(right.starts_with("error"));
        if left != right {
            differences.push(format!("seed {seed}: {}\nwith leaves:\n{left}\nwithout:\n{right}", question[0]));
        }
    }
    (errors, differences)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_elements_is_the_same_with_leaves_and_without() {
    let questions = if wanted_seeds().is_some() { 300 } else { 60 };
    let seeds: Vec<u64> = seeds(8).collect();
    let (mut errors, mut differences) = (0, Vec::new());
    for pair in seeds.chunks(2) {
        let tasks: Vec<_> = pair.iter().map(|seed| tokio::spawn(compare(*seed, questions))).collect();
        for task in tasks {
            let (more_errors, more) = task.await.unwrap();
            errors += more_errors;
            differences.extend(more);
        }
    }
    let asked = seeds.len() * questions;
    assert!(differences.is_empty(), "{} of {asked} differ, the first:\n{}", differences.len(), differences[0]);
    assert!(errors * 10 < asked, "{errors} of {asked} questions are errors");
}

const ONE_FILE: FileLimits = FileLimits { file_rows: 10_000, row_group_rows: 10_000 };

/// Two thousand documents with tidy arrays among much other text, and some more.
fn tidy(more: &[String]) -> Vec<Option<String>> {
    let mut random = Random(7);
    let tidy = (0..2_000).map(|row| {
        let events: Vec<String> = (0..row % 4).map(|_| element(&mut random, 0)).collect();
        let notes: String = (0..40).map(|_| format!("{} ", random.below(1_000_000))).collect();
        Some(format!(r#"{{"notes":"{notes}","v":{{"ev":[{}]}},"text":"none"}}"#, events.join(",")))
    });
    tidy.chain(more.iter().cloned().map(Some)).collect()
}

async fn plan_of(engine: &Engine, question: &str) -> String {
    let plan = engine.context().sql(&format!("explain {question}")).await.unwrap().collect().await.unwrap();
    plan[0].column(1).as_string::<i32>().value(1).to_owned()
}

#[tokio::test]
async fn what_is_asked_of_elements_is_read_from_leaves() {
    let folder = tempfile::tempdir().unwrap();
    // A document of many brackets is not deep for that.
    let many = format!(r#"{{"v":{{"ev":[{}]}}}}"#, vec![r#"{"t":"menu","o":{"k":"x"}}"#; 300].join(","));
    let files = write(folder.path(), &tidy(&[many]), 200, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    let unnested = "(select session_id, unnest(json_get_array(data, 'v', 'ev')) as e from t)";
    for question in [
        format!("select json_get_str(e, 't'), count(*) from {unnested} group by 1"),
        format!("select e->>'t', (e->'n')::int, json_get_float(e, 'f') from {unnested} where json_get_bool(e, 'b')"),
        format!("select count(*) from {unnested} where json_get_str(e, 't') = 'menu' and json_get_str(e, 'o', 'k') = 'x'"),
        format!("select sum(json_get_float(e, 'm')), max(e->>'m') from {unnested}"),
        format!("select max(json_get_float(e, 'n')) over (order by json_get_str(e, 'a[b')) from {unnested}"),
        "select sum(json_get_int(e, 'n')) from (select unnest(a) as e from (select json_get_array(data, 'v', 'ev') as a from t))"
            .to_owned(),
        "select unnest(json_get_array(data, 'text')), json_get_array(data, 'v', 'nowhere') from t".to_owned(),
        "select json_get_str(data, 'v', 'ev', 0, 't'), count(*) from t group by 1".to_owned(),
        "select sum((data->'v'->'ev'->1->'n')::int), max(json_value(data, '$.v.ev[2].m')) from t".to_owned(),
        "select json_length(data, 'v', 'ev'), count(data->'text'->0->>'t') from t group by 1".to_owned(),
    ] {
        let read = [bytes_scanned(&with, &question).await, bytes_scanned(&without, &question).await];
        assert!(read[0] * 5 < read[1], "{read:?} bytes read with leaves and without: {question}");
    }
    // An element that is shown is read from the text, once.
    let plan = plan_of(&with, &format!("select e, json_get_str(e, 't') from {unnested}")).await;
    assert!(!plan.contains("json_elements_str"), "{plan}");
    let plan =
        plan_of(&with, &format!("select json_get_str(e, 't'), json_get_str(e, 't') || 'x' from {unnested}")).await;
    let scan = plan.lines().find(|line| line.contains("SessionScanExec")).unwrap();
    assert!(scan.matches("json_elements_str").count() == 1 && !scan.contains("json_get_array(data"), "{plan}");
}

#[tokio::test]
async fn elements_are_parsed_where_a_column_does_not_have_them_all() {
    let long = format!(r#"{{"v":{{"ev":[{}]}}}}"#, vec![r#"{"t":"many"}"#; MAX_ELEMENTS + 1].join(","));
    let number = r#"{"v":{"ev":[{"t":1,"n":"2"}]}}"#.to_owned();
    for (odd, key) in [(long, "json_get_str(e, 't')"), (number, "e->>'t'")] {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &tidy(&[odd]), 200, FileLimits { row_group_rows: 500, ..ONE_FILE });
        let question = vec![format!(
            "select {key} as k, count(*), count(json_get_int(e, 'n')) from (select unnest(json_get_array(data, 'v', 'ev')) as e from t) \
             group by 1 order by 1"
        )];
        let (with, without) =
            (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
        let answers = [answer(&with, &question).await, answer(&without, &question).await];
        assert_eq!(answers[0], answers[1]);
        assert!(answers[0].contains("many") || answers[0].contains("| 1 "), "{}", answers[0]);
        let read = [bytes_scanned(&with, &question[0]).await, bytes_scanned(&without, &question[0]).await];
        assert!(read[0] * 2 > read[1], "{read:?}");
    }
}

/// Element columns are lists, which the log's statistics do not tell of, and the manifest does.
#[tokio::test]
async fn the_footer_tells_of_leaves_inside_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &tidy(&[]), 200, ONE_FILE);
    let store: Arc<dyn object_store::ObjectStore> =
        Arc::new(object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    let footers = sessionlake::lake::read_footers(&store, &files).await.unwrap();
    let schema = &footers[0].schema;
    for name in
        ["~shred/data/v/ev[]/t#s", "~shred/data/v/ev[]/o/k#s", "~shred/data/v/ev[]/n#i", "~shred/data/v/ev[]/a~2b#s"]
    {
        assert!(
            schema
                .field_with_name(name)
                .is_ok_and(|field| matches!(field.data_type(), arrow::datatypes::DataType::List(_))),
            "{name}: {schema:?}"
        );
        assert!(footers[0].leaf_bytes[name] > 0);
    }
    assert!(schema.metadata()[MANIFEST_KEY].contains(r#""e":{"#));
}
