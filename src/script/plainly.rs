//! Errors that speak of the engine's insides, in words of SQL, and all that are not known.
//!
//! What the engine cannot plan it shows as its own structures. A newcomer reads them as a defect; mostly they are a limit that there is a way around, which is said here.

use super::explanation::{Explanation, Target, between, last_name};
use super::syntax::sentence;
use super::types::plain;

/// Where a sentence begins so, the message, the hint, and what it is about: functions in lower case and words of SQL in upper case, `SUBQUERY` for the second SELECT.
const WORDS: &[(&str, &str, &str, &str)] = &[
    (
        "Physical plan does not support logical expression WindowFunction",
        "a window function is not allowed here",
        "compute it in an inner query, or ask for it with QUALIFY",
        "OVER",
    ),
    (
        "Physical plan does not support logical expression ScalarSubquery",
        "this subquery cannot be computed for each row of the outer query",
        "join what it reads, grouped or numbered by the columns that both have",
        "SUBQUERY",
    ),
    (
        "Physical plan does not support logical expression InSubquery",
        "IN with this subquery is not supported here, nor in any join condition",
        "put the condition into WHERE, or join what the subquery reads",
        "IN",
    ),
    (
        "Physical plan does not support logical expression Exists",
        "EXISTS with this subquery is not supported here, nor in any join condition",
        "put the condition into WHERE, or join what the subquery reads",
        "EXISTS",
    ),
    (
        "Physical plan does not support logical expression SetComparison",
        "ANY and ALL of this subquery are not supported here, nor in any join condition",
        "put the condition into WHERE, or join what the subquery reads",
        "ANY ALL SOME",
    ),
    (
        "Physical plan does not support logical expression Wildcard",
        "* stands for the columns of a select list, and for rows in count(*)",
        "name a column",
        "",
    ),
    (
        "Correlated scalar subquery must be aggregated to return at most one row",
        "the subquery may have several rows for a row of the outer query",
        "aggregate them, as in max(…), or take one with ORDER BY … LIMIT 1",
        "SUBQUERY",
    ),
    (
        "Correlated scalar subquery can only be used in",
        "a subquery that names columns of the outer query is not supported in ORDER BY and in join conditions",
        "compute it in the select list, and order by its name",
        "SUBQUERY",
    ),
    (
        "unnest should be rewritten",
        "unnest() is not supported inside of aggregates and conditions",
        "unnest in an inner query: select sum(x) from (select unnest(list) as x from …) as t",
        "unnest",
    ),
    (
        "unnest() can only be applied",
        "unnest() takes a list",
        "string_to_array(text, ',') makes one of a text, and json_get_array(data, 'key') one of JSON",
        "unnest",
    ),
    (
        "Expected a signed integer literal for the second argument of nth_value",
        "nth_value takes a whole number behind the value",
        "write nth_value(x, 2) over (order by …)",
        "nth_value",
    ),
    (
        "There is only support Literal types for field at idx",
        "the number of rows of this window function must be a constant",
        "write a number",
        "lag lead ntile nth_value",
    ),
    (
        "Expected an integer value",
        "the number of rows of this window function must be an integer",
        "write a number",
        "lag lead",
    ),
    (
        "COUNT DISTINCT with multiple arguments",
        "count(distinct …) takes one value",
        "count the rows of an inner query: select count(*) from (select distinct a, b from …) as t",
        "count",
    ),
    (
        "Binary operator 'AtArrow'",
        "@> asks whether a list has all values of another",
        "JSON is text here: compare values of it, as in data->>'key' = 'x'",
        "",
    ),
    (
        "Binary operator 'ArrowAt'",
        "<@ asks whether another list has all values of a list",
        "JSON is text here: compare values of it, as in data->>'key' = 'x'",
        "",
    ),
    ("TOP", "TOP is not known here", "end the query with LIMIT and the number of rows", "TOP"),
    (
        "Unsupported ast node Pivot",
        "PIVOT is not known here",
        "write an aggregate for each column: count(*) filter (where x = 'a') as a",
        "PIVOT",
    ),
    ("Unsupported ast node Unpivot", "UNPIVOT is not known here", "put the columns together with UNION ALL", "UNPIVOT"),
    (
        "Dot access not supported",
        "a dot takes nothing out of a value",
        "JSON is read with data->>'key', and a struct with (x)['key']",
        "",
    ),
    ("[return_type] SUM not supported for", "sum takes numbers and lengths of time", "name a column of numbers", "sum"),
    ("AvgAccumulator for", "avg takes numbers and lengths of time", "name a column of numbers", "avg"),
    (
        "Unable to cast to Date32 for converting",
        "the text is no date",
        "write it as '2026-03-01', or say how it is written: to_date(text, '%d.%m.%Y')",
        "to_date",
    ),
    (
        "Typed literal requires a string payload",
        "the value of such a literal is a text",
        "write it in quotes, as in date '2026-03-01'",
        "",
    ),
    (
        "named_struct requires 0-th",
        "named_struct takes the name of each field as a text in quotes",
        "write named_struct('key', value, …)",
        "named_struct",
    ),
    (
        "array_resize: failed to convert size",
        "array_resize takes a size of 0 or more",
        "leave out what is below 0",
        "array_resize",
    ),
];

/// Explains any other error: in words of SQL where the engine has none, else by its first line, cleaned, about whatever literal or name of the statement it mentions.
pub(super) fn unknown(message: &str) -> Explanation {
    let mut text = message.trim();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "Internal error: ",
        "Parser error: ",
        "Cast error: ",
        "Compute error: ",
        "Invalid argument error: ",
        "Schema error: ",
        "External error: ",
        "Arrow error: ",
        "This feature is not implemented: ",
        "Optimizer rule 'simplify_expressions' failed\ncaused by\n",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    fixed(text)
        .or_else(|| of_subqueries(text))
        .or_else(|| of_types(text))
        .or_else(|| of_numbers(text))
        .or_else(|| of_clauses(text))
        .or_else(|| of_patterns(text))
        .unwrap_or_else(|| cleaned(text))
}

fn fixed(text: &str) -> Option<Explanation> {
    let begins = |begin: &str| text.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin));
    let (_, message, hint, about) = WORDS.iter().find(|(begin, ..)| match *begin {
        "TOP" => text == "TOP",
        begin => begins(begin),
    })?;
    let targets = about.split_whitespace().map(|word| match word {
        "SUBQUERY" => Target::SecondKeyword("SELECT"),
        word if word.starts_with(|c: char| c.is_ascii_uppercase()) => Target::Keyword(word),
        word => Target::Call(word.to_owned()),
    });
    Some(Explanation::new(*message, targets).hint(*hint))
}

fn of_subqueries(text: &str) -> Option<Explanation> {
    if text.contains("logical expression OuterReferenceColumn(") {
        let table = between(text, "table: \"", "\"").map(str::to_owned);
        let name = between(text, "}), name: \"", "\"").or_else(|| between(text, "name: \"", "\""))?.to_owned();
        let shown = table.as_ref().map_or_else(|| name.clone(), |table| format!("{table}.{name}"));
        return Some(
            Explanation::new(
                format!("this subquery in FROM cannot be computed for each {shown}"),
                [Target::Name(table, name)],
            )
            .hint("join it, grouped by the column, or numbered with row_number() over (partition by …) for its first rows"),
        );
    }
    if let Some(types) = text.strip_prefix("expr type ").and_then(|rest| rest.split(" in ").next()) {
        let types = plain(types);
        let (left, right) = types.split_once(" can't cast to ")?;
        let targets = ["IN", "ANY", "ALL", "SOME"].map(Target::Keyword);
        return Some(
            Explanation::new(format!("cannot compare {left} with {right}"), targets)
                .hint("cast one side, for example cast(… as text)"),
        );
    }
    let aggregate = text
        .split_once("`retract_batch` is not implemented: ")
        .map(|(_, call)| call.split('(').next().unwrap_or(call))
        .or_else(|| text.starts_with("SUM(DISTINCT) over sliding window frames").then_some("sum(distinct …)"))?;
    Some(
        Explanation::new(
            format!("{aggregate} is not supported over a frame that begins at another row each time"),
            [Target::Call(aggregate.to_owned()), Target::Keyword("OVER")],
        )
        .hint("begin the frame with UNBOUNDED PRECEDING, or join each row with those of its frame and group them"),
    )
}

/// Errors about types that do not go together.
fn of_types(text: &str) -> Option<Explanation> {
    let infix = |pair: &str| {
        let pair = plain(pair);
        let (left, rest) = pair.split_once(' ')?;
        let (operator, right) = rest.rsplit_once(' ')?;
        Some((left.to_owned(), operator.to_owned(), right.to_owned()))
    };
    if let Some(pair) = text.strip_prefix("Cannot infer common string type for string concat operation ") {
        let (left, operator, right) = infix(pair)?;
        return Some(
            Explanation::new(format!("cannot join {left} and {right}"), [Target::OnlyOperator(operator)])
                .hint("make one of them a text: x::text || y"),
        );
    }
    if let Some(pair) = text.strip_prefix("Cannot infer common argument type for logical boolean operation ") {
        let (left, operator, right) = infix(pair)?;
        let keyword = if operator == "OR" { "OR" } else { "AND" };
        return Some(
            Explanation::new(
                format!("{operator} takes two conditions, not {left} and {right}"),
                [Target::Keyword(keyword)],
            )
            .hint("compare each with something"),
        );
    }
    if let Some(pair) = between(text, "Cannot get result type for temporal operation ", ": ") {
        let (left, operator, right) = infix(pair)?;
        let explanation = Explanation::new(
            format!("cannot apply {operator} to {left} and {right}"),
            [Target::OnlyOperator(operator.clone())],
        );
        let is_length = [&left, &right].iter().all(|kind| matches!(kind.as_str(), "interval" | "duration"));
        return Some(match (is_length, operator.as_str()) {
            (true, "/") => explanation.hint("divide their seconds: extract(epoch from a) / extract(epoch from b)"),
            (true, _) => explanation,
            _ => explanation
                .hint("the length between two times is their difference, and what is added to a time is an interval"),
        });
    }
    if let Some(pair) = text.strip_prefix("Unsupported CAST from ") {
        let pair = plain(pair);
        let (from, to) = pair.split_once(" to ")?;
        let explanation = Explanation::new(format!("cannot cast {from} to {to}"), [Target::Keyword("CAST")]);
        return Some(match to {
            "interval" | "duration" => explanation.hint("write x * interval '1 second'"),
            _ => explanation,
        });
    }
    if let Some(kind) = text.strip_prefix("Invalid arithmetic operation: !") {
        let message = format!("- cannot be used with {}", plain(kind));
        return Some(Explanation::new(message, [Target::OnlyOperator("-".to_owned())]));
    }
    if let Some(kind) = between(text, "Cannot access field at argument 1: type ", " is not Struct") {
        let kind = plain(kind);
        let explanation = Explanation::new(format!("{kind} has no fields"), []);
        return Some(match kind.as_str() {
            "text" => explanation.hint("JSON is read with data->>'key'"),
            "list" => explanation.hint("the place of a value in a list is a number, for example (x)[1]"),
            _ => explanation,
        });
    }
    if let Some((_, kind)) = text.split_once("argument type to 'json_").and_then(|(_, rest)| rest.rsplit_once(", got "))
    {
        let operators = ["->>", "->"].map(|operator| Target::OnlyOperator(operator.to_owned()));
        return Some(Explanation::new(
            format!("a key of JSON is a text or an integer, not {}", plain(kind.trim_end_matches('.'))),
            operators,
        ));
    }
    if let Some(rest) = text.strip_prefix("Incompatible inputs for Union: Previous inputs were of type ") {
        let (one, rest) = rest.split_once(", but got incompatible type ")?;
        let (other, column) = rest.split_once(" on column '")?;
        let (one, other, column) = (plain(one), plain(other), plain(column.trim_end_matches(['\'', '.'])));
        return Some(
            Explanation::new(
                format!("the column {column} is {one} on one side of UNION and {other} on the other"),
                [Target::Keyword("UNION")],
            )
            .hint("cast one of them"),
        );
    }
    None
}

/// Errors about numbers that do not fit.
fn of_numbers(text: &str) -> Option<Explanation> {
    if let Some((value, kind)) = text.strip_prefix("Can't cast value ").and_then(|rest| rest.rsplit_once(" to type ")) {
        let (name, hint) = match kind {
            "Int8" | "Int16" => ("smallint", "cast to bigint"),
            "Int32" => ("integer", "cast to bigint"),
            "Int64" => ("bigint", "cast to decimal(38, 0)"),
            _ => return None,
        };
        let explanation =
            Explanation::new(format!("{value} is out of range of {name}"), [Target::Literal(value.to_owned())]);
        return Some(explanation.hint(hint));
    }
    let call = text.split_once("Array overflow on ").map(|(_, call)| call);
    let call =
        call.or_else(|| text.strip_prefix("Overflow happened on FACTORIAL").filter(|rest| rest.starts_with('(')));
    let call = call?;
    let name = if call.starts_with('(') { "factorial" } else { "" };
    let function = if name.is_empty() { call.split('(').next().unwrap_or_default() } else { name };
    Some(Explanation::new(format!("{name}{call} is out of range of its type"), [Target::Call(function.to_owned())]))
}

/// Errors about what stands in a clause, and where.
fn of_clauses(text: &str) -> Option<Explanation> {
    if text.starts_with("frame start") || text.starts_with("frame end") {
        let targets = ["ROWS", "RANGE", "GROUPS"].map(Target::Keyword);
        return Some(Explanation::new(text, targets));
    }
    if let Some(rest) = text.strip_prefix("Argument #") {
        let (number, rest) = rest.split_once(" must be ")?;
        let (_, given) = rest.split_once(", got ")?;
        let targets = ["generate_series", "range"].map(|name| Target::Call(name.to_owned()));
        return Some(if given.contains(['{', '<']) {
            Explanation::new("a series in FROM is the same for all rows", targets)
                .hint("make the longest, and join it: join generate_series(1, 100) as s(n) on n <= …")
        } else {
            let message =
                format!("argument {number} of a series is an integer, a date or a timestamp, not {}", plain(given));
            Explanation::new(message, targets)
        });
    }
    if let Some(counts) = text.strip_prefix("Source table contains ") {
        let (columns, rest) = counts.split_once(" columns but only ")?;
        let names = rest.split(' ').next()?;
        let counted =
            |count: &str, what: &str| if count == "1" { format!("1 {what}") } else { format!("{count} {what}s") };
        let message = format!("{} for {}", counted(names, "name"), counted(columns, "column"));
        return Some(Explanation::new(message, []).hint("name each of its columns, or none"));
    }
    if let Some(rest) = text.strip_prefix("Cannot find column with position ") {
        let wanted = rest.split(' ').next()?;
        let most = rest.rsplit(' ').next()?;
        let columns = if most == "1" { "column" } else { "columns" };
        return Some(Explanation::new(
            format!("GROUP BY position {wanted} is out of range, the query has {most} {columns}"),
            [Target::LiteralAfter("GROUP", wanted.to_owned()), Target::Keyword("GROUP")],
        ));
    }
    if let Some(column) = between(text, "Argument ", " to grouping function is not in grouping columns") {
        let name = last_name(column);
        let message = format!("grouping() takes what GROUP BY names, and {name} is not there");
        return Some(Explanation::new(message, [Target::Call("grouping".to_owned())]));
    }
    if let Some(kind) = text.strip_prefix("Join condition must be boolean type, but got ") {
        let message = format!("the join condition is {}, not boolean", plain(kind));
        return Some(Explanation::new(message, [Target::After("ON")]).hint("compare it with something"));
    }
    if let Some(table) = text.strip_prefix("Invalid qualifier ") {
        let target = Target::Name(None, table.to_owned());
        return Some(Explanation::new(format!("no table {table:?} in this query"), [target]));
    }
    let window = text.strip_prefix("The window ")?.strip_suffix(" is not defined!")?;
    Some(
        Explanation::new(format!("no window {window:?} in this query"), [Target::After("OVER")])
            .hint("write over (…), or name it: window w as (…)"),
    )
}

/// An error of the regular expression crate shows the pattern first and then says what is wrong; some frame both with lines of tildes.
fn of_patterns(text: &str) -> Option<Explanation> {
    let (_, shown) = text.split_once("regex parse error:")?;
    let reason = shown.lines().find_map(|line| line.trim().strip_prefix("error: ")).unwrap_or("it cannot be read");
    let pattern = shown.lines().nth(1).unwrap_or_default().trim();
    Some(Explanation::new(
        format!("invalid regular expression {pattern:?}: {reason}"),
        [Target::Literal(pattern.to_owned())],
    ))
}

fn cleaned(text: &str) -> Explanation {
    let (text, hint) = match text.split_once("; hint: ") {
        Some((text, hint)) => (text, Some(hint.to_owned())),
        None => (text, None),
    };
    Explanation::new(plain(&sentence(text)), [Target::Mentioned(text.to_owned())]).maybe(hint)
}
