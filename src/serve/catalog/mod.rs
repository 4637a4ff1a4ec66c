//! What clients of PostgreSQL ask of a server beside its tables: pg_catalog, information_schema, and the functions of sessions.
//!
//! Drivers and tools ask with SQL that leans on all of PostgreSQL: subqueries that look at rows around them anywhere, LATERAL, arrays, functions that
//! give rows, `regclass` and its like, operators and types with a schema before them. The tables are small and hold no row of the lake, so such
//! statements are not planned by the engine: they are bound (`bind`) and computed (`run`) here, over rows that are made from what a lake has
//! (`store`, `rows`, `information`), by PostgreSQL's rules of types and nulls. Nothing here knows a client or a statement of one.
//!
//! A statement is one of these if it names a table of the catalog, or no table at all and a function or type of the catalog ([`concerns`]).
//! Statements about the lake may call functions of sessions, too: [`with_values`] writes their values in.
//!
//! A catalog tells names, types and meanings, which every caller may know, and no value.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod batch;
mod bind;
mod facts;
mod fault;
mod functions;
mod information;
mod plan;
mod rows;
mod run;
mod settings;
mod statement;
mod store;
#[cfg(test)]
mod tests;
mod types;
mod value;
mod words;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;

pub use fault::Fault;
pub use run::{Session, Signal};
pub use statement::{asks, concerns, with_values};
pub use store::{Catalog, Present};

use crate::engine::Engine;
use crate::error::Result;

/// How many bytes an answer may have.
const MOST_BYTES: usize = 256 << 20;

/// A statement about the catalog that is ready to be computed.
#[derive(Debug)]
pub struct Question {
    bound: bind::Bound,
}

/// Makes the catalog of a caller, of the tables and functions of a session.
///
/// `started` is when the server was started, in microseconds since 1970.
///
/// # Errors
/// A table that cannot be opened.
pub async fn catalog_of(engine: &Engine, database: &str, user: &str, started: i64) -> Result<Catalog> {
    Ok(Catalog::new(facts::facts(engine, database, user, started).await?))
}

/// The value of a setting as PostgreSQL has it where a session says nothing else.
pub fn show(name: &str) -> Option<(&'static str, &'static str)> {
    settings::setting(name).map(|setting| (setting.name, setting.value))
}

impl Question {
    /// Binds a statement; `declared` are the oids of the types of its parameters as far as the client said them, else 0.
    ///
    /// # Errors
    /// Names that are not there, types that do not go together, what is not supported.
    pub fn of(catalog: &Catalog, query: &ast::Query, declared: &[u32]) -> fault::Result<Self> {
        Ok(Self { bound: bind::bind(catalog, query, declared)? })
    }

    /// The columns of the answer; `binary` says of each whether it is sent in binary.
    pub fn columns(&self, binary: impl Fn(usize) -> bool) -> SchemaRef {
        batch::schema(&self.bound.query.columns, &binary)
    }

    /// The types of the parameters, as values are given.
    pub fn parameters(&self) -> Vec<DataType> {
        self.bound.parameters.iter().map(|kind| statement::given_as(*kind)).collect()
    }

    /// Computes the answer. It takes no more than a second or so, and some hundred megabytes, whatever is asked.
    ///
    /// # Errors
    /// What values say, and limits.
    pub fn answer(
        &self,
        catalog: &Catalog,
        session: &mut dyn Session,
        given: &[ScalarValue],
        binary: impl Fn(usize) -> bool,
    ) -> fault::Result<RecordBatch> {
        let values = self.bound.parameters.iter().zip(given);
        let values = values.map(|(kind, value)| statement::given_value(value, *kind)).collect::<fault::Result<_>>()?;
        let run = run::Run::new(catalog, session, values);
        let rows = run.rows(&self.bound.query)?;
        let bytes = rows.iter().flatten().fold(0_usize, |sum, cell| sum.saturating_add(cell.weight()));
        if bytes > MOST_BYTES {
            return Err(Fault::new(fault::LIMIT, format!("the answer has more than {MOST_BYTES} bytes")));
        }
        batch::batch(catalog, &self.bound.query.columns, &rows, &binary)
            .map_err(|error| Fault::new("XX000", error.to_string()))
    }
}
