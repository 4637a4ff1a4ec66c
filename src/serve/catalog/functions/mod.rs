//! The functions of sessions and catalogs, as statements about the catalog call them.

mod names;
mod sets;
mod texts;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use sets::{SetRoutine, set};
pub(super) use texts::push_json;

use super::fault::Result;
use super::run::Run;
use super::types::Type;
use super::value::Value;

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// A value of this type.
    This(Type),
    /// One of the type of the first argument.
    First,
    /// One of the type of the second argument.
    Second,
}

/// What computes a call.
pub type Computation = fn(&Run<'_>, &[Value]) -> Result<Value>;

/// A function that gives one value.
pub struct Routine {
    /// Its name.
    pub name: &'static str,
    /// What it takes; `UNKNOWN` for anything.
    pub takes: &'static [Type],
    /// How many arguments it takes at least.
    pub least: usize,
    /// How many at most.
    pub most: usize,
    /// Whether a null makes it null.
    pub strict: bool,
    /// What it gives.
    pub gives: Gives,
    /// What computes it.
    pub run: Computation,
}

impl std::fmt::Debug for Routine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Routine {
    /// Makes a function that gives null for null.
    pub(super) const fn new(name: &'static str, takes: &'static [Type], gives: Type, run: Computation) -> Self {
        Self { name, takes, least: takes.len(), most: takes.len(), strict: true, gives: Gives::This(gives), run }
    }

    /// Lets the last arguments be left out.
    pub(super) const fn from(mut self, least: usize) -> Self {
        self.least = least;
        self
    }

    /// Takes any number of arguments like the last.
    pub(super) const fn many(mut self) -> Self {
        self.most = 100;
        self
    }

    /// Is called with nulls, too.
    pub(super) const fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Gives what its arguments say.
    pub(super) const fn giving(mut self, gives: Gives) -> Self {
        self.gives = gives;
        self
    }
}

static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Routine>>> = LazyLock::new(|| {
    let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
    for routine in names::ROUTINES.iter().chain(texts::ROUTINES) {
        by_name.entry(routine.name).or_default().push(routine);
    }
    by_name
});

/// Finds a function by its name and how many arguments it is given.
pub fn scalar(name: &str, arguments: usize) -> Option<&'static Routine> {
    BY_NAME.get(name)?.iter().find(|routine| (routine.least..=routine.most).contains(&arguments)).copied()
}

/// Whether a function of this name asks about the session or the catalog, so that a statement that calls it is about those.
pub fn is_of_catalog(name: &str) -> bool {
    // The engine has clocks of its own.
    let is_clock = matches!(
        name,
        "now" | "current_timestamp" | "statement_timestamp" | "transaction_timestamp" | "clock_timestamp"
    );
    let is_set = matches!(name, "_pg_expandarray" | "pg_get_keywords" | "aclexplode" | "generate_subscripts");
    is_set || (!is_clock && BY_NAME.get(name).is_some() && names::ROUTINES.iter().any(|routine| routine.name == name))
}
