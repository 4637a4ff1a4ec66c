//! A statement about the catalog as it is evaluated: names are places in rows, types are known, operators and functions are chosen.

use std::sync::Arc;

use super::functions::{Routine, SetRoutine};
use super::types::Type;
use super::value::Value;

/// An expression.
#[derive(Debug, Clone)]
pub enum Node {
    /// A value.
    Constant(Value),
    /// A parameter, from 0.
    Parameter(usize),
    /// A column of a row: that of the select itself, or of the one so many selects around it.
    Slot {
        /// How many selects further out.
        up: usize,
        /// The place in the row.
        at: usize,
    },
    /// An aggregate of the select.
    Aggregate(usize),
    /// A window function of the select.
    Window(usize),
    /// A function of the select that gives rows.
    Set(usize),
    /// A call.
    Call(&'static Routine, Vec<Node>),
    /// An operator between two values.
    Binary(Operator, Box<Node>, Box<Node>),
    /// All of them.
    And(Vec<Node>),
    /// Any of them.
    Or(Vec<Node>),
    /// The opposite.
    Not(Box<Node>),
    /// The number with the other sign.
    Minus(Box<Node>),
    /// Whether it is null.
    IsNull(Box<Node>),
    /// Whether it is this truth value.
    IsTruth(Box<Node>, bool),
    /// Whether two values differ, nulls being equal.
    Differ(Box<Node>, Box<Node>),
    /// The value as another type.
    Cast(Box<Node>, Type, Type),
    /// The first result whose condition is true.
    Case(Vec<(Node, Node)>, Box<Node>),
    /// The first that is not null.
    Coalesce(Vec<Node>),
    /// An array of the values.
    List(Vec<Node>),
    /// A row of the values.
    Row(Vec<Node>),
    /// An element of an array.
    Index(Box<Node>, Box<Node>),
    /// Some elements of an array.
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    /// A field of a row.
    Field(Box<Node>, usize),
    /// Whether the operator holds for any element, or for all.
    Elements {
        /// The value on the left.
        left: Box<Node>,
        /// The operator.
        operator: Operator,
        /// The array.
        list: Box<Node>,
        /// Whether it must hold for all.
        all: bool,
    },
    /// The one value of a query, or null.
    Scalar(Arc<Query>),
    /// Whether a query has rows.
    Exists(Arc<Query>),
    /// The values of a query as an array.
    Collected(Arc<Query>),
    /// Whether the operator holds for any row of a query, or for all.
    Rows {
        /// The value on the left.
        left: Box<Node>,
        /// The operator.
        operator: Operator,
        /// The query.
        query: Arc<Query>,
        /// Whether it must hold for all.
        all: bool,
    },
}

/// An operator between two values; null if either is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
    /// `%`
    Modulo,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `||` of texts.
    Concat,
    /// `||` of arrays, or of an array and an element.
    Join,
    /// `~`, and the like.
    Matches {
        /// Whether upper and lower case are the same.
        any_case: bool,
        /// Whether what does not match is asked for.
        negated: bool,
    },
    /// `LIKE`, and the like.
    Like {
        /// Whether upper and lower case are the same.
        any_case: bool,
        /// Whether what does not match is asked for.
        negated: bool,
    },
    /// `^@`
    StartsWith,
    /// `@>`
    Contains,
    /// `<@`
    Within,
    /// `&&`
    Overlaps,
}

/// A column of a result.
#[derive(Debug, Clone)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: Type,
}

/// What a result is ordered by: a column of it, from 0.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The column.
    pub at: usize,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// A query.
#[derive(Debug)]
pub struct Query {
    /// By which a run remembers its rows.
    pub id: usize,
    /// Whether it looks at a row of a query around it.
    pub correlated: bool,
    /// What is computed before.
    pub ctes: Vec<Cte>,
    /// The rows.
    pub body: Body,
    /// The columns that are handed on; rows may have more, to order by.
    pub columns: Vec<Column>,
    /// The order.
    pub order: Vec<Order>,
    /// Columns of which only the first row of equal ones is handed on.
    pub distinct_on: Option<Vec<usize>>,
    /// How many rows at most.
    pub limit: Option<Node>,
    /// How many rows are left out first.
    pub offset: Option<Node>,
}

/// A query with a name.
#[derive(Debug)]
pub struct Cte {
    /// By which it is found.
    pub id: usize,
    /// The query, or its first part.
    pub query: Query,
    /// What adds rows from the rows of the last round, and whether equal rows are kept.
    pub recursion: Option<(Query, bool)>,
}

/// Where the rows of a query come from.
#[derive(Debug)]
pub enum Body {
    /// A select.
    Select(Box<Select>),
    /// Rows that are written out.
    Values(Vec<Vec<Node>>),
    /// A query in parentheses.
    Query(Box<Query>),
    /// Two queries.
    Both {
        /// How they go together.
        how: How,
        /// Whether equal rows are kept.
        all: bool,
        /// The first.
        left: Box<Query>,
        /// The second.
        right: Box<Query>,
    },
}

/// How the rows of two queries go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The rows of both.
    Union,
    /// The rows that are in both.
    Intersect,
    /// The rows that are in the first alone.
    Except,
}

/// A select.
#[derive(Debug)]
pub struct Select {
    /// What is joined.
    pub steps: Vec<Step>,
    /// How wide a joined row is.
    pub width: usize,
    /// Conditions that are asked of whole rows.
    pub last: Vec<Node>,
    /// What rows are grouped by.
    pub groups: Vec<Node>,
    /// Whether rows are grouped.
    pub grouped: bool,
    /// The aggregates.
    pub aggregates: Vec<Aggregate>,
    /// The condition of groups.
    pub having: Option<Node>,
    /// The window functions.
    pub windows: Vec<Window>,
    /// The functions that give rows.
    pub sets: Vec<Set>,
    /// The columns, with those that are only for the order.
    pub outputs: Vec<Node>,
    /// How many of them are handed on.
    pub shown: usize,
    /// Whether equal rows are left out.
    pub distinct: bool,
}

/// What a join does with rows that have no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They are left out.
    Inner,
    /// Those of the left stay.
    Left,
    /// Those of the right stay.
    Right,
    /// All stay.
    Full,
}

/// One more table of a join.
#[derive(Debug)]
pub struct Step {
    /// Its rows.
    pub source: Source,
    /// What is done with rows without a partner.
    pub kind: Kind,
    /// Where its columns begin in the joined row.
    pub offset: usize,
    /// How many they are.
    pub width: usize,
    /// Whether its rows depend on those before it.
    pub lateral: bool,
    /// Conditions of the join.
    pub on: Vec<Condition>,
    /// Conditions of the select that can be asked from here on.
    pub filter: Vec<Condition>,
}

/// A condition, with the places of the joined row that it looks at.
#[derive(Debug)]
pub struct Condition {
    /// The condition.
    pub node: Node,
    /// The places.
    pub uses: Vec<usize>,
    /// The two sides, if it asks whether they are equal, each with its places.
    pub equal: Option<[(Node, Vec<usize>); 2]>,
}

/// Where the rows of a table in FROM come from.
#[derive(Debug)]
pub enum Source {
    /// A table of the catalog.
    Table(usize),
    /// A query.
    Query(Arc<Query>),
    /// A query with a name.
    Cte(usize),
    /// Functions that give rows, side by side, and whether rows are numbered.
    Functions(Vec<Set>, bool),
    /// Tables that are joined by themselves.
    Group(Vec<Step>),
}

/// A function that gives rows.
#[derive(Debug)]
pub struct Set {
    /// The function; `None` makes one row of a value.
    pub routine: Option<&'static SetRoutine>,
    /// Its arguments.
    pub arguments: Vec<Node>,
    /// How many columns it gives.
    pub width: usize,
}

/// How rows are brought into an order inside of an aggregate or a window.
#[derive(Debug)]
pub struct Key {
    /// What is compared.
    pub node: Node,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// An aggregate.
#[derive(Debug)]
pub struct Aggregate {
    /// What it computes.
    pub how: Gather,
    /// Its arguments; none for `count(*)`.
    pub arguments: Vec<Node>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// The order of values.
    pub order: Vec<Key>,
    /// Which rows count.
    pub filter: Option<Node>,
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    /// The number of values.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The least.
    Least,
    /// The greatest.
    Greatest,
    /// All in an array.
    List,
    /// All in a text.
    Text,
    /// Whether all are true.
    All,
    /// Whether any is true.
    Any,
    /// All in a JSON array, of values of a type.
    Json(Type),
}

/// A window function.
#[derive(Debug)]
pub struct Window {
    /// What it computes.
    pub how: Rank,
    /// What rows are taken apart by.
    pub partition: Vec<Node>,
    /// The order inside of a part.
    pub order: Vec<Key>,
}

/// What a window function computes.
#[derive(Debug)]
pub enum Rank {
    /// The number of the row.
    Number,
    /// The number of the first row that is equal in the order.
    First,
    /// The number of different places in the order up to here.
    Dense,
    /// An aggregate of the rows up to here, or of all where there is no order.
    Aggregate(Aggregate),
}
