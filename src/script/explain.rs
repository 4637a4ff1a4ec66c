//! Says in our words what an error of the engine means, and what in the statement it is about.
//!
//! The engine gives structure for a few errors and a sentence for the rest, so most of this page reads sentences. A sentence
//! that is not known stays as it is, cleaned; the tests of [`super::diagnostics`] notice when a new engine words it anew.

use std::collections::HashSet;

use arrow::error::ArrowError;
use datafusion::common::{Column, Diagnostic, SchemaError};
use datafusion::error::DataFusionError;

use super::explanation::{Explanation, Target, between, last_name};
use super::instead::instead;
use super::names;
use super::plainly::unknown;
use super::source::Spot;
use super::syntax::sentence;
use super::types::{moved, plain, written};

/// Names that the engine calls window functions, which it denies to know without OVER.
const WINDOW_FUNCTIONS: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// Explains an error. `tables` are the tables that a query may name, for hints.
pub(super) fn explain(root: &DataFusionError, diagnostic: Option<&Diagnostic>, tables: &[&str]) -> Explanation {
    let explanation = match root {
        DataFusionError::SchemaError(error, _) => schema(error, diagnostic),
        DataFusionError::ArrowError(error, _) => arrow(error),
        DataFusionError::Plan(message)
        | DataFusionError::Execution(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Configuration(message)
        | DataFusionError::Internal(message)
        | DataFusionError::Substrait(message)
        | DataFusionError::Ffi(message) => planned(message, diagnostic, tables),
        other => unknown(&other.message()),
    };
    let known = diagnostic.and_then(|d| d.span).and_then(spot);
    match known {
        Some(spot) if !explanation.targets.iter().any(|target| matches!(target, Target::Spot(_))) => {
            let mut targets = vec![Target::Spot(spot)];
            targets.extend(explanation.targets);
            Explanation { targets, ..explanation }
        }
        _ => explanation,
    }
}

fn spot(span: datafusion::common::Span) -> Option<Spot> {
    Spot::between((span.start.line, span.start.column), (span.end.line, span.end.column))
}

fn schema(error: &SchemaError, diagnostic: Option<&Diagnostic>) -> Explanation {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => field_not_found(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            let notes = diagnostic.map(|d| d.notes.as_slice()).unwrap_or_default();
            let choices: Vec<&str> =
                notes.iter().filter_map(|note| note.message.strip_prefix("possible column ")).collect();
            Explanation::new(format!("column {:?} is ambiguous", field.name), [Target::Name(None, field.name.clone())])
                .maybe((!choices.is_empty()).then(|| format!("write {}", choices.join(" or "))))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            twice(name)
        }
    }
}

fn field_not_found(field: &Column, valid: &[Column]) -> Explanation {
    let relation = field.relation.as_ref().map(|relation| relation.to_string());
    let spans = field.spans.first().and_then(spot).map(Target::Spot);
    let table = field.relation.as_ref().map(|relation| relation.table().to_owned());
    let targets = spans.into_iter().chain([Target::Name(table, field.name.clone())]);
    let Some(relation) = relation else {
        let explanation = Explanation::new(format!("no column {:?}", field.name), targets);
        return explanation.maybe(column_hint(&field.name, valid.iter()));
    };
    let inside = |column: &&Column| column.relation.as_ref() == field.relation.as_ref();
    if valid.iter().any(|column| inside(&column)) {
        let explanation = Explanation::new(format!("no column {:?} in {relation:?}", field.name), targets);
        return explanation.maybe(column_hint(&field.name, valid.iter().filter(inside)));
    }
    let mut known: Vec<String> = valid.iter().filter_map(|c| c.relation.as_ref().map(ToString::to_string)).collect();
    if known.iter().any(|table| table.starts_with("__")) {
        // The engine has made a join of a subquery, below which the table is gone.
        let message = format!("a subquery cannot name {field} behind this GROUP BY");
        return Explanation::new(message, targets).hint("group by it, or ask in an inner query and join its answer");
    }
    known.sort();
    known.dedup();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = names::did_you_mean(&relation, known.iter().copied())
        .or_else(|| (!known.is_empty()).then(|| format!("the tables here are {}", names::list(known.iter().copied()))));
    Explanation::new(format!("no table {relation:?} in this query"), targets).maybe(hint)
}

fn column_hint<'a>(name: &str, columns: impl Iterator<Item = &'a Column>) -> Option<String> {
    let mut known: Vec<&str> = Vec::new();
    for column in columns {
        // An unnamed expression is a column of the engine's, not one to write.
        if !known.contains(&column.name.as_str()) && !column.name.contains('(') {
            known.push(&column.name);
        }
    }
    names::did_you_mean(name, known.iter().copied())
        .or_else(|| (!known.is_empty()).then(|| format!("the columns are {}", names::list(known))))
}

fn twice(name: &str) -> Explanation {
    Explanation::new(
        format!("two columns are both named {name:?}"),
        [Target::Star(name.to_owned()), Target::SecondName(name.to_owned())],
    )
    .hint("give one of them another name with AS")
}

fn arrow(error: &ArrowError) -> Explanation {
    match error {
        ArrowError::DivideByZero => Explanation::new(
            "division by zero",
            [Target::OnlyOperator("/".to_owned()), Target::OnlyOperator("%".to_owned())],
        )
        .hint("divide by nullif(divisor, 0) to get null instead"),
        ArrowError::ArithmeticOverflow(message) if message == "sum out of range" => {
            Explanation::new("the sum is out of range of bigint", [Target::Call("sum".to_owned())])
                .hint("sum decimals: sum(x::decimal(38, 0))")
        }
        ArrowError::ArithmeticOverflow(message) if message.starts_with(OVERFLOW) => overflow(message),
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ArithmeticOverflow(message) => cast(message),
        other => unknown(&other.to_string()),
    }
}

/// What Arrow says before an operation that overflows.
const OVERFLOW: &str = "Overflow happened on: ";

/// Explains an operation whose value does not fit its type.
fn overflow(message: &str) -> Explanation {
    let operation = message.strip_prefix(OVERFLOW).unwrap_or(message);
    let operation = match operation.strip_prefix("- -") {
        Some(value) => format!("-(-{value})"),
        None => operation.to_owned(),
    };
    let words: Vec<&str> = operation.split_whitespace().collect();
    let mut targets = Vec::new();
    if let [left, operator, right] = words.as_slice() {
        targets.extend([left, right].map(|value| Target::Literal((*value).to_owned())));
        targets.push(Target::OnlyOperator((*operator).to_owned()));
    } else {
        targets.push(Target::OnlyOperator("-".to_owned()));
    }
    Explanation::new(format!("{operation} is out of range of its type"), targets)
        .hint("compute with a wider type, as in a::decimal(38, 0) + b; bigint ends at 9223372036854775807")
}

fn cast(message: &str) -> Explanation {
    if let Some((value, kind)) =
        message.strip_prefix("Cannot cast string '").and_then(|rest| rest.rsplit_once("' to value of "))
    {
        let kind = plain(kind.trim_end_matches(" type"));
        return Explanation::new(format!("cannot read {value:?} as {kind}"), [Target::Literal(value.to_owned())])
            .hint(format!("use try_cast(… as {}) to get null instead", castable(&kind)));
    }
    if let Some((value, _)) =
        message.strip_prefix("Error parsing timestamp from '").and_then(|rest| rest.split_once("': "))
    {
        return Explanation::new(format!("cannot read {value:?} as timestamp"), [Target::Literal(value.to_owned())])
            .hint("write it as '2026-03-01T09:00:00Z'");
    }
    unknown(message)
}

fn castable(kind: &str) -> &str {
    match kind {
        "integer" => "bigint",
        "float" => "double",
        kind => kind,
    }
}

/// Says what to do where two values of types do not go together.
fn other_type(left: &str, right: &str, to: &str) -> String {
    if [left, right].contains(&"struct") {
        return "take a field out of the struct, for example (x)['c0']".to_owned();
    }
    if [left, right].contains(&"list") {
        return "take a value out of the list, for example (x)[1], or ask all of them with any(x)".to_owned();
    }
    format!("cast one side, for example cast(… as {})", castable(to))
}

fn planned(message: &str, diagnostic: Option<&Diagnostic>, tables: &[&str]) -> Explanation {
    names_in(message, diagnostic, tables)
        .or_else(|| calls_in(message, diagnostic))
        .or_else(|| types_in(message, diagnostic))
        .or_else(|| clauses_in(message, diagnostic))
        .unwrap_or_else(|| unknown(message))
}

/// Errors about a name that does not exist.
fn names_in(message: &str, diagnostic: Option<&Diagnostic>, tables: &[&str]) -> Option<Explanation> {
    if let Some(name) = message.strip_prefix("table function '").and_then(|rest| rest.strip_suffix("' not found")) {
        return Some(
            Explanation::new(format!("no table function {name:?}"), [Target::Call(name.to_owned())])
                .maybe(instead(name).map(str::to_owned)),
        );
    }
    let table = |text: &str| -> Option<String> {
        let name = text.strip_prefix("table '")?.strip_suffix("' not found")?;
        Some(name.strip_prefix("datafusion.public.").unwrap_or(name).to_owned())
    };
    if let Some(name) = diagnostic.and_then(|d| table(&d.message)).or_else(|| table(message)) {
        let last = name.rsplit('.').next().unwrap_or(&name).to_owned();
        let hint = names::did_you_mean(&last, tables.iter().copied()).or_else(|| {
            (!tables.is_empty()).then(|| format!("the tables are {}", names::list(tables.iter().copied())))
        });
        return Some(Explanation::new(format!("no table {name:?}"), [Target::Name(None, last)]).maybe(hint));
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let explanation = Explanation::new(format!("no function {name:?}"), [Target::Call(name.to_owned())]);
        if let Some(hint) = instead(name) {
            return Some(explanation.hint(hint));
        }
        if WINDOW_FUNCTIONS.contains(&name.to_lowercase().as_str()) {
            let message = format!("window function {name:?} needs an OVER clause");
            let hint = format!("write {name}(…) over (order by …)");
            return Some(Explanation { message, ..explanation }.hint(hint));
        }
        // The engine names its nearest function however far that is.
        let near = between(message, "Did you mean '", "'").and_then(|near| names::did_you_mean(name, [near]));
        return Some(explanation.hint(near.unwrap_or_else(|| "sessionlake describe lists the functions".to_owned())));
    }
    if let Some(name) = between(message, "Placeholder '", "' was not provided").or_else(|| {
        message
            .strip_prefix("No value found for placeholder with ")
            .map(|rest| rest.strip_prefix("name ").or_else(|| rest.strip_prefix("id ")).unwrap_or(rest))
    }) {
        let bare = name.trim_start_matches(['$', ':']);
        return Some(
            Explanation::new(format!("parameter {name} has no value"), [Target::Placeholder(name.to_owned())])
                .hint(format!("give it with ⟨param⟩ {bare}=…")),
        );
    }
    if let Some(name) = message.strip_prefix("Unsupported SQL type ") {
        return Some(
            Explanation::new(format!("unknown type {name:?}"), [Target::Name(None, name.to_owned())])
                .hint("usual types are text, bigint, double, boolean, date, timestamp and interval"),
        );
    }
    if let Some(name) = between(message, "Config value \"", "\" not found") {
        return Some(Explanation::new(format!("no setting {name:?}"), [Target::Name(None, name.to_owned())]));
    }
    if let Some(name) = between(message, "WITH query name \"", "\" specified more than once") {
        return Some(Explanation::new(
            format!("WITH names {name:?} more than once"),
            [Target::SecondName(name.to_owned())],
        ));
    }
    if message.starts_with("Projections require unique expression names") {
        let (_, second) = message.rsplit_once(" and \"")?;
        let second = second.split("\" at position ").next()?;
        let name = second.rsplit_once(" AS ").map_or(second, |(_, alias)| alias);
        return Some(twice(&last_name(&plain(name))));
    }
    None
}

/// Errors about what a function is called with.
fn calls_in(message: &str, diagnostic: Option<&Diagnostic>) -> Option<Explanation> {
    if let Some(call) = between(message, "No function matches the given name and argument types '", "'. You") {
        let call = plain(call);
        let name = call.split('(').next().unwrap_or_default().to_owned();
        // Candidates that name a rule of the engine instead of types say nothing.
        let rules = ["UserDefined", "Comparable", "Any", "Coercible", "Nullary", "Variadic"];
        let mut candidates: Vec<String> = message
            .split_once("Candidate functions:")
            .map(|(_, list)| list.lines().map(str::trim).filter(|line| !line.is_empty()).map(lowered).collect())
            .unwrap_or_default();
        candidates.retain(|candidate| !rules.iter().any(|rule| candidate.contains(&rule.to_lowercase())));
        let mut seen = HashSet::new();
        candidates.retain(|candidate| seen.insert(candidate.clone()));
        candidates.truncate(4);
        let count = between(message, " expects ", " arguments but received ").and_then(|n| n.parse::<usize>().ok());
        let hint = match (candidates.is_empty(), count) {
            (_, Some(count)) => Some(format!("it takes {count} {}", if count == 1 { "argument" } else { "arguments" })),
            (false, None) => Some(format!("call it as {}", candidates.join(" or "))),
            (true, None) => None,
        };
        return Some(Explanation::new(format!("no function matches {call}"), [Target::Call(name)]).maybe(hint));
    }
    if let Some(name) = between(message, "Function '", "' failed to match any signature") {
        return Some(Explanation::new(
            format!("no function matches {name} with values of these types"),
            [Target::Call(name.to_owned())],
        ));
    }
    if message.contains("Min/Max accumulator not implemented") {
        let targets = ["max", "min"].map(|name| Target::Call(name.to_owned()));
        return Some(Explanation::new("there is no least and no greatest of maps", targets));
    }
    if let Some((_, kind)) = message.split_once("Cannot run range queries on datatype: ") {
        let message = format!("a range of rows cannot be counted in values of the type {}", plain(kind.trim()));
        return Some(
            Explanation::new(message, [Target::Keyword("range"), Target::Keyword("over")])
                .hint("write rows or groups in place of range"),
        );
    }
    if let Some((first, _)) = message.split_once(" Substring {") {
        return Some(Explanation::new(
            sentence(first),
            [Target::Call("substr".to_owned()), Target::Call("substring".to_owned())],
        ));
    }
    if let Some((rule, rest)) =
        message.split_once(": '").filter(|(rule, _)| rule.starts_with("Aggregate function calls"))
    {
        let inner = plain(rest.split("' is nested").next().unwrap_or(rest));
        let name = inner.split('(').next().unwrap_or_default().to_owned();
        return Some(
            Explanation::new(sentence(rule), [Target::Call(name)])
                .hint(format!("compute {inner} in an inner query and aggregate its result")),
        );
    }
    if message.starts_with("Window function calls cannot be nested") {
        let targets = diagnostic.and_then(|d| d.span).and_then(spot).map(Target::Spot);
        return Some(Explanation::new("window function calls cannot be nested", targets));
    }
    None
}

/// Lower-cases the types of a candidate such as `round(Decimal, Int32)`.
fn lowered(candidate: &str) -> String {
    let candidate = plain(candidate).to_lowercase();
    // Types of one name in SQL stand as alternatives: `ntile(integer/integer)`.
    let mut written = String::with_capacity(candidate.len());
    for part in candidate.split_inclusive(['(', ',', ')']) {
        let (types, end) = part.split_at(part.len() - usize::from(part.ends_with(['(', ',', ')'])));
        let mut types: Vec<&str> = types.split('/').collect();
        types.dedup();
        written.push_str(&types.join("/"));
        written.push_str(end);
    }
    written
}

/// Errors about types that do not go together.
fn types_in(message: &str, diagnostic: Option<&Diagnostic>) -> Option<Explanation> {
    if let Some(pair) = message.strip_prefix("Cannot infer common argument type for comparison operation ") {
        let pair = plain(pair);
        let (left, operator, right) = infix(&pair)?;
        return Some(
            Explanation::new(
                format!("cannot compare {left} with {right}"),
                [Target::OnlyOperator(operator.to_owned())],
            )
            .hint(written(left, right).map_or_else(|| other_type(left, right, left), str::to_owned)),
        );
    }
    if let Some(pair) = message
        .strip_prefix("Cannot coerce arithmetic expression ")
        .and_then(|rest| rest.strip_suffix(" to valid types"))
    {
        let pair = plain(pair);
        let (left, operator, right) = infix(&pair)?;
        let hint = if left == "text" && right == "text" && operator == "+" {
            "texts are joined with ||".to_owned()
        } else if let Some(hint) = moved(left, right) {
            hint.to_owned()
        } else {
            other_type(left, right, if left == "text" { right } else { left })
        };
        return Some(
            Explanation::new(
                format!("cannot apply {operator} to {left} and {right}"),
                [Target::OnlyOperator(operator.to_owned())],
            )
            .hint(hint),
        );
    }
    let pairs = between(message, "to coerce ", " in LIKE expression")
        .map(|pair| (pair, "LIKE"))
        .or_else(|| between(message, "to coerce types ", " in BETWEEN expression").map(|pair| (pair, "BETWEEN")));
    if let Some((pair, keyword)) = pairs {
        let pair = plain(pair);
        let (left, right) = pair.split_once(" and ")?;
        return Some(
            Explanation::new(format!("cannot use {keyword} with {left} and {right}"), [Target::Keyword(keyword)])
                .hint("cast one side, for example cast(… as text)"),
        );
    }
    if let Some((condition, kind)) = message
        .strip_prefix("Cannot create filter with non-boolean predicate '")
        .and_then(|r| r.rsplit_once("' returning "))
    {
        let condition = plain(condition);
        let last = last_name(&condition);
        return Some(
            Explanation::new(
                format!("the condition {last} is {}, not boolean", plain(kind)),
                [Target::Name(None, last.clone()), Target::After("WHERE")],
            )
            .hint("compare it with something"),
        );
    }
    if message.starts_with("Unary operator ") {
        let shown = diagnostic.map_or(message, |d| d.message.as_str());
        let target =
            if message.contains("'NOT'") { Target::Keyword("NOT") } else { Target::OnlyOperator("-".to_owned()) };
        return Some(Explanation::new(plain(&sentence(shown)), [target]));
    }
    None
}

/// Splits `a + b`; types have no blanks of their own.
fn infix(text: &str) -> Option<(&str, &str, &str)> {
    let (left, rest) = text.split_once(' ')?;
    let (operator, right) = rest.rsplit_once(' ')?;
    Some((left, operator, right))
}

/// Errors about what a clause may hold.
fn clauses_in(message: &str, diagnostic: Option<&Diagnostic>) -> Option<Explanation> {
    let grouped = |expression: &str, targets: Vec<Target>| {
        let expression = plain(expression);
        let name = last_name(&expression);
        let shown = if expression.contains([' ', '(']) { expression } else { name.clone() };
        Explanation::new(
            format!("{shown} is neither in GROUP BY nor inside an aggregate"),
            [vec![Target::Name(None, name)], targets].concat(),
        )
        .hint(format!("add it to GROUP BY, or aggregate it, for example max({shown})"))
    };
    if let Some(column) = between(message, "While expanding wildcard, column \"", "\" must appear in the GROUP BY") {
        return Some(grouped(column, vec![Target::Keyword("SELECT")]));
    }
    if let Some(condition) = between(message, "HAVING clause references: ", " must appear in the GROUP BY") {
        let explanation = grouped(condition, Vec::new());
        return Some(
            Explanation { targets: vec![Target::After("HAVING")], ..explanation }
                .hint("HAVING sees groups only; conditions on rows belong in WHERE"),
        );
    }
    if message.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        return Some(
            Explanation::new(
                "aggregate functions are not allowed in WHERE",
                [Target::AggregateAfter("WHERE"), Target::Keyword("WHERE")],
            )
            .hint("use HAVING, which sees the groups"),
        );
    }
    if let Some((wanted, most)) =
        message.strip_prefix("Order by column out of bounds, specified: ").and_then(|rest| rest.split_once(", max: "))
    {
        return Some(Explanation::new(
            format!("ORDER BY position {wanted} is out of range, the query has {most} columns"),
            [Target::LiteralAfter("ORDER", wanted.to_owned()), Target::Keyword("ORDER")],
        ));
    }
    if let Some(kind) = message.strip_prefix("Expected LIMIT to be an integer or null, but got ") {
        return Some(Explanation::new(
            format!("LIMIT takes an integer, not {}", plain(kind)),
            [Target::After("LIMIT")],
        ));
    }
    if message.starts_with("Unsupported LIMIT expression") {
        return Some(Explanation::new(
            "LIMIT takes an integer or a parameter that has a value",
            [Target::After("LIMIT")],
        ));
    }
    if message.starts_with("LIMIT must be >= 0") || message.starts_with("OFFSET must be >=0") {
        let keyword = if message.starts_with("LIMIT") { "LIMIT" } else { "OFFSET" };
        return Some(Explanation::new(sentence(message), [Target::After(keyword)]));
    }
    if message.starts_with("Too many columns! The subquery should only return one column") {
        return Some(
            Explanation::new("the subquery must return one column", [Target::SecondKeyword("SELECT")])
                .hint("select only one column in the subquery"),
        );
    }
    if let Some((operator, _)) = message.split_once(" queries have different number of columns") {
        let sides: Vec<&str> = diagnostic
            .map(|d| d.notes.iter().filter_map(|n| between(&n.message, "this side has ", " fields")).collect())
            .unwrap_or_default();
        let right = diagnostic.and_then(|d| d.notes.last()).and_then(|note| note.span).and_then(spot).map(Target::Spot);
        let counts = match sides.as_slice() {
            [left, right] => format!(": {left} and {right}"),
            _ => String::new(),
        };
        return Some(Explanation::new(
            format!("the sides of {operator} have different numbers of columns{counts}"),
            right.into_iter().chain([Target::SecondKeyword("SELECT")]),
        ));
    }
    if message.starts_with("Inconsistent data length across values list") {
        let detail = message.split_once(": ").map_or("", |(_, detail)| detail);
        return Some(Explanation::new(
            format!("the rows of VALUES differ in length: {detail}"),
            [Target::Keyword("VALUES")],
        ));
    }
    None
}
