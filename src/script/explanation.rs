//! An error in our words, and what in the statement it is about.

use super::source::Spot;

/// What to look for in the tokens of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A place that the engine knew.
    Spot(Spot),
    /// A name, with the name before its dot where it has one.
    Name(Option<String>, String),
    /// The second mention of a name.
    SecondName(String),
    /// The name of a function, before its parenthesis.
    Call(String),
    /// The `*` of a select list that has a column of this name, where the statement gives it to no two columns itself.
    Star(String),
    /// A literal or a name whose text the message mentions.
    Mentioned(String),
    /// A text or number literal.
    Literal(String),
    /// A text or number literal somewhere after a word of SQL.
    LiteralAfter(&'static str, String),
    /// A parameter, with its `$`.
    Placeholder(String),
    /// An operator that stands only once in the statement.
    OnlyOperator(String),
    /// The first mention of a word of SQL.
    Keyword(&'static str),
    /// The second mention of a word of SQL.
    SecondKeyword(&'static str),
    /// What follows a word of SQL.
    After(&'static str),
    /// The first aggregate after a word of SQL.
    AggregateAfter(&'static str),
}

/// An error in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explanation {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// What it is about, the most exact first.
    pub(super) targets: Vec<Target>,
}

impl Explanation {
    pub(super) fn new(message: impl Into<String>, targets: impl IntoIterator<Item = Target>) -> Self {
        Self { message: message.into(), hint: None, targets: targets.into_iter().collect() }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// Returns what stands between two pieces of a message.
pub(super) fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

/// The last name of a printed column, without its quotes: `t."a b"` is `a b`.
pub(super) fn last_name(expression: &str) -> String {
    let name = match expression.strip_suffix('"').and_then(|rest| rest.rsplit_once('"')) {
        Some((_, quoted)) => quoted,
        None => expression.rsplit('.').next().unwrap_or(expression),
    };
    name.to_owned()
}
