//! Evaluates bound statements about the catalog.
//!
//! The tables are small, so rows are held as they are and every query is computed at once. What it may take is bounded: steps, which are rows and
//! expressions that are looked at, the cells of an intermediate result, and the bytes of a text.

mod cast;
mod eval;
mod group;
mod join;
mod operators;

use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::fault::{Fault, LIMIT, NO_PATTERN, Result, fitting_text};
use super::plan::{Body, Cte, How, Key, Node, Order, Query, Select};
use super::settings;
use super::store::{Catalog, Present, Row};
use super::value::Value;

/// How many rows and expressions a statement may look at.
const MOST_STEPS: u64 = 20_000_000;
/// How many cells the rows of one part of a statement may have.
const MOST_CELLS: usize = 2_000_000;
/// How many bytes all texts and arrays may have that are made on the way.
const MOST_MADE: usize = 256 << 20;
/// How many bytes a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;
/// How many rounds a recursive query may have.
const MOST_ROUNDS: usize = 1000;

/// A row that is computed.
pub(super) type Cells = Vec<Value>;

/// What a statement may ask of the session that it is asked in.
pub trait Session {
    /// The number of the session's process, as `pg_backend_pid` gives it.
    fn process(&self) -> i32;
    /// The instant that is now, in microseconds since 1970.
    fn now(&self) -> i64;
    /// A setting that the session has made, or knows better than the table of settings.
    fn setting(&self, name: &str) -> Option<String>;
    /// Makes a setting.
    ///
    /// # Errors
    /// What is wrong with the value.
    fn set(&mut self, name: &str, value: &str) -> Result<()>;
    /// Asks another session of the same user to stop what it does, or to end; says whether there is a session with that number.
    ///
    /// # Errors
    /// A session of somebody else.
    fn signal(&self, process: i64, signal: Signal) -> Result<bool>;
    /// The sessions of the same user, in the order of their numbers.
    fn sessions(&self) -> Vec<Present>;
}

/// What one session may ask of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// To stop its statement.
    Cancel,
    /// To end.
    Terminate,
}

/// The values of a column, and whether null is one of them.
type Among = (HashSet<Value>, bool);

/// A statement that is being computed.
pub struct Run<'a> {
    /// The catalog.
    pub(super) catalog: &'a Catalog,
    session: RefCell<&'a mut dyn Session>,
    parameters: Vec<Value>,
    steps: Cell<u64>,
    made: Cell<usize>,
    /// Rows of queries that look at nothing around them.
    known: RefCell<HashMap<usize, Arc<Vec<Cells>>>>,
    /// Their first columns, where it was asked what is among them.
    sets: RefCell<HashMap<usize, Arc<Among>>>,
    /// Rows of queries with names.
    named: RefCell<HashMap<usize, Arc<Vec<Cells>>>>,
    patterns: RefCell<HashMap<(String, bool), Regex>>,
    /// The rows of `pg_stat_activity`, once they were asked for.
    activity: OnceCell<Vec<Row>>,
}

/// A row that expressions look at, and those of the selects around.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    /// The joined row, up to where `tail` begins.
    pub(super) row: &'f [Value],
    /// What is joined to it.
    pub(super) tail: &'f [Value],
    /// The place of the first column of `tail`.
    pub(super) tail_at: usize,
    pub(super) aggregates: &'f [Value],
    pub(super) windows: &'f [Value],
    pub(super) sets: &'f [Value],
    pub(super) outer: Option<&'f Frame<'f>>,
}

impl<'f> Frame<'f> {
    /// A row without more.
    pub(super) fn of(row: &'f [Value], outer: Option<&'f Frame<'f>>) -> Self {
        Self { row, tail: &[], tail_at: usize::MAX, aggregates: &[], windows: &[], sets: &[], outer }
    }

    /// A row with what is joined to it.
    pub(super) fn joined(row: &'f [Value], tail: &'f [Value], tail_at: usize, outer: Option<&'f Frame<'f>>) -> Self {
        Self { tail, tail_at, ..Self::of(row, outer) }
    }
}

impl<'a> Run<'a> {
    /// Begins a statement, with the values of its parameters.
    pub fn new(catalog: &'a Catalog, session: &'a mut dyn Session, parameters: Vec<Value>) -> Self {
        Self {
            catalog,
            session: RefCell::new(session),
            parameters,
            steps: Cell::new(0),
            made: Cell::new(0),
            known: RefCell::default(),
            sets: RefCell::default(),
            named: RefCell::default(),
            patterns: RefCell::default(),
            activity: OnceCell::new(),
        }
    }

    /// The number of the session's process.
    pub(super) fn process(&self) -> i64 {
        i64::from(self.session.borrow().process())
    }

    /// The instant that is now.
    pub(super) fn now(&self) -> i64 {
        self.session.borrow().now()
    }

    /// A setting.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        let own = self.session.borrow().setting(name);
        own.or_else(|| settings::setting(name).map(|setting| setting.value.to_owned()))
    }

    /// Makes a setting.
    pub(super) fn set(&self, name: &str, value: &str) -> Result<()> {
        self.session.borrow_mut().set(name, value)
    }

    /// The rows of a table.
    pub(super) fn rows_of_table(&self, number: usize) -> &[Row] {
        match self.is_activity(number) {
            true => self.activity.get_or_init(|| self.catalog.activity(number, &self.session.borrow().sessions())),
            false => self.catalog.rows(number),
        }
    }

    /// Says whether a table is that of the sessions, whose rows are those of now.
    pub(super) fn is_activity(&self, number: usize) -> bool {
        self.catalog.table("pg_catalog", "pg_stat_activity").is_some_and(|(known, _)| known == number)
    }

    /// Asks another session to stop.
    pub(super) fn signal(&self, process: i64, signal: Signal) -> Result<bool> {
        self.session.borrow().signal(process, signal)
    }

    /// Counts a step.
    pub(super) fn step(&self) -> Result<()> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > MOST_STEPS {
            return Err(Fault::new(
                LIMIT,
                format!("the statement looks at more than {MOST_STEPS} rows of the catalog"),
            ));
        }
        Ok(())
    }

    /// Counts what a value that was made takes.
    pub(super) fn made(&self, value: Value) -> Result<Value> {
        let bytes = match &value {
            Value::Text(text) => {
                fitting_text(text.len())?;
                text.len()
            }
            Value::List(list) => list.items.len() * size_of::<Value>(),
            _ => 0,
        };
        let made = self.made.get().saturating_add(bytes);
        self.made.set(made);
        if made > MOST_MADE {
            return Err(Fault::new(
                LIMIT,
                format!("the statement makes texts and arrays of more than {MOST_MADE} bytes"),
            ));
        }
        Ok(value)
    }

    /// Bounds the rows that are held.
    pub(super) fn bounded(&self, rows: usize, width: usize) -> Result<()> {
        if rows.saturating_mul(width.max(1)) > MOST_CELLS {
            return Err(Fault::new(LIMIT, format!("a part of the statement has more than {MOST_CELLS} values")));
        }
        Ok(())
    }

    /// Compiles a pattern.
    pub(super) fn pattern(&self, text: &str, any_case: bool) -> Result<Regex> {
        let key = (text.to_owned(), any_case);
        if let Some(pattern) = self.patterns.borrow().get(&key) {
            return Ok(pattern.clone());
        }
        let pattern = RegexBuilder::new(text).case_insensitive(any_case).size_limit(PATTERN_BYTES).build();
        let pattern = pattern.map_err(|_| Fault::new(NO_PATTERN, format!("invalid regular expression: {text:?}")))?;
        let mut patterns = self.patterns.borrow_mut();
        if patterns.len() < 100 {
            patterns.insert(key, pattern.clone());
        }
        Ok(pattern)
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, number: usize) -> Value {
        self.parameters.get(number).cloned().unwrap_or(Value::Null)
    }

    /// Computes the rows of a query.
    ///
    /// # Errors
    /// What values say, and limits.
    pub fn rows(&self, query: &Query) -> Result<Vec<Vec<Value>>> {
        self.query(query, None)
    }

    /// Computes an expression that looks at no row.
    ///
    /// # Errors
    /// What values say.
    pub fn constant(&self, node: &Node) -> Result<Value> {
        self.eval(node, None)
    }

    /// Computes the rows of a query, or remembers them where it looks at nothing around it.
    pub(super) fn shared(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Arc<Vec<Cells>>> {
        if query.correlated {
            return Ok(Arc::new(self.query(query, outer)?));
        }
        if let Some(rows) = self.known.borrow().get(&query.id) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(self.query(query, outer)?);
        self.known.borrow_mut().insert(query.id, Arc::clone(&rows));
        Ok(rows)
    }

    /// Computes which values a query has, and whether null is among them, where it looks at nothing around it.
    pub(super) fn among(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Arc<(HashSet<Value>, bool)>> {
        if let Some(set) = self.sets.borrow().get(&query.id) {
            return Ok(Arc::clone(set));
        }
        let rows = self.shared(query, outer)?;
        let first = rows.iter().filter_map(|row| row.first());
        let has_null = rows.iter().any(|row| row.first().is_none_or(Value::is_null));
        let set = Arc::new((first.filter(|value| !value.is_null()).cloned().collect(), has_null));
        self.sets.borrow_mut().insert(query.id, Arc::clone(&set));
        Ok(set)
    }

    /// The rows of a query with a name.
    pub(super) fn by_name(&self, id: usize) -> Arc<Vec<Cells>> {
        self.named.borrow().get(&id).map(Arc::clone).unwrap_or_default()
    }

    fn query(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        for cte in &query.ctes {
            self.cte(cte, outer)?;
        }
        let mut rows = self.body(&query.body, outer)?;
        sort(&mut rows, &query.order);
        if let Some(columns) = &query.distinct_on {
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(columns.iter().map(|at| row.get(*at).cloned()).collect::<Vec<_>>()));
        }
        let count = |node: &Option<Node>| -> Result<Option<usize>> {
            let Some(node) = node else { return Ok(None) };
            let value = self.eval(node, outer)?;
            Ok(value.as_int().map(|number| usize::try_from(number.max(0)).unwrap_or(usize::MAX)))
        };
        if let Some(left_out) = count(&query.offset)? {
            rows.drain(..left_out.min(rows.len()));
        }
        if let Some(most) = count(&query.limit)? {
            rows.truncate(most);
        }
        let width = query.columns.len();
        if rows.first().is_some_and(|row| row.len() > width) {
            for row in &mut rows {
                row.truncate(width);
            }
        }
        Ok(rows)
    }

    fn cte(&self, cte: &Cte, outer: Option<&Frame<'_>>) -> Result<()> {
        let mut rows = self.query(&cte.query, outer)?;
        let Some((further, all)) = &cte.recursion else {
            self.named.borrow_mut().insert(cte.id, Arc::new(rows));
            return Ok(());
        };
        let mut seen: HashSet<Cells> = HashSet::new();
        if !all {
            rows.retain(|row| seen.insert(row.clone()));
        }
        let mut fresh = rows.clone();
        let mut rounds = 0;
        while !fresh.is_empty() {
            rounds += 1;
            if rounds > MOST_ROUNDS {
                return Err(Fault::new(LIMIT, format!("a recursive query with more than {MOST_ROUNDS} rounds")));
            }
            self.named.borrow_mut().insert(cte.id, Arc::new(fresh));
            fresh = self.query(further, outer)?;
            if !all {
                fresh.retain(|row| seen.insert(row.clone()));
            }
            rows.extend(fresh.iter().cloned());
            self.bounded(rows.len(), cte.query.columns.len())?;
        }
        self.named.borrow_mut().insert(cte.id, Arc::new(rows));
        Ok(())
    }

    fn body(&self, body: &Body, outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        match body {
            Body::Select(select) => self.select(select, outer),
            Body::Query(query) => self.query(query, outer),
            Body::Values(rows) => {
                rows.iter().map(|row| row.iter().map(|cell| self.eval(cell, outer)).collect()).collect()
            }
            Body::Both { how, all, left, right } => {
                let (mut left, right) = (self.query(left, outer)?, self.query(right, outer)?);
                match how {
                    How::Union => {
                        left.extend(right);
                        self.bounded(left.len(), left.first().map_or(1, Vec::len))?;
                    }
                    How::Intersect | How::Except => {
                        let right: HashSet<Cells> = right.into_iter().collect();
                        left.retain(|row| right.contains(row) == (*how == How::Intersect));
                    }
                }
                if !all {
                    let mut seen = HashSet::new();
                    left.retain(|row| seen.insert(row.clone()));
                }
                Ok(left)
            }
        }
    }

    fn select(&self, select: &Select, outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        let mut rows = self.joined(&select.steps, Vec::new(), outer)?;
        for node in &select.last {
            rows = self.passing(rows, |row| Ok(self.eval(node, Some(&Frame::of(row, outer)))?.is_true()))?;
        }
        let groups = if select.grouped {
            self.grouped(select, rows, outer)?
        } else {
            rows.into_iter().map(|row| (row, Vec::new())).collect()
        };
        let windows = self.windows(select, &groups, outer)?;
        let mut out = Vec::new();
        let none = Vec::new();
        for (number, (row, aggregates)) in groups.iter().enumerate() {
            self.step()?;
            let windows = windows.get(number).unwrap_or(&none);
            let frame = Frame { aggregates, windows, ..Frame::of(row, outer) };
            if select.sets.is_empty() {
                out.push(self.outputs(select, &frame)?);
            } else {
                for sets in self.expanded(select, &frame)? {
                    out.push(self.outputs(select, &Frame { sets: &sets, ..frame })?);
                }
            }
            self.bounded(out.len(), select.outputs.len())?;
        }
        if select.distinct {
            let mut seen = HashSet::new();
            out.retain(|row| seen.insert(row.get(..select.shown).unwrap_or(row).to_vec()));
        }
        Ok(out)
    }

    fn outputs(&self, select: &Select, frame: &Frame<'_>) -> Result<Cells> {
        select.outputs.iter().map(|node| self.eval(node, Some(frame))).collect()
    }

    /// Computes the functions of a select that give rows, side by side; one that gives fewer has nulls at its end.
    fn expanded(&self, select: &Select, frame: &Frame<'_>) -> Result<Vec<Cells>> {
        let mut columns: Vec<Vec<Value>> = Vec::new();
        for set in &select.sets {
            let inner = Frame { sets: &[], ..*frame };
            let rows = self.set_rows(set, Some(&inner))?;
            let values = rows.into_iter().map(|mut row| match (set.width, row.pop()) {
                (1, Some(value)) => value,
                (_, last) => Value::Row(row.into_iter().chain(last).collect::<Vec<_>>().into()),
            });
            columns.push(values.collect());
        }
        let most = columns.iter().map(Vec::len).max().unwrap_or_default();
        let row = |at: usize| columns.iter().map(|column| column.get(at).cloned().unwrap_or(Value::Null)).collect();
        Ok((0..most).map(row).collect())
    }

    /// Keeps the rows that pass.
    pub(super) fn passing(&self, rows: Vec<Cells>, passes: impl Fn(&[Value]) -> Result<bool>) -> Result<Vec<Cells>> {
        let mut kept = Vec::new();
        for row in rows {
            self.step()?;
            if passes(&row)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }
}

/// Compares two values for an order.
fn compared(a: &Value, b: &Value, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if descending => b.cmp(a),
        (false, false) => a.cmp(b),
    }
}

fn sort(rows: &mut [Cells], order: &[Order]) {
    if order.is_empty() {
        return;
    }
    rows.sort_by(|a, b| {
        let compare = |order: &Order| match (a.get(order.at), b.get(order.at)) {
            (Some(a), Some(b)) => compared(a, b, order.descending, order.nulls_first),
            _ => Ordering::Equal,
        };
        order.iter().map(compare).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// Compares the keys of two rows.
fn compared_keys(a: &[Value], b: &[Value], keys: &[Key]) -> Ordering {
    let pairs = a.iter().zip(b).zip(keys);
    let mut pairs = pairs.map(|((a, b), key)| compared(a, b, key.descending, key.nulls_first));
    pairs.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}
