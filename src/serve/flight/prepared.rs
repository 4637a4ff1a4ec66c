//! Statements that clients prepared, by their handles.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;

use crate::error::{Error, Result};
use crate::serve::scram::random;

/// Statements at once, of all callers, and the bytes of their texts and values; beyond them those that were prepared first make place.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 64 << 20;

/// A statement that was prepared.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Who prepared it: nobody else may use it.
    pub caller: String,
    pub sql: String,
    /// The values of its parameters, once they were sent.
    pub values: Vec<ScalarValue>,
}

/// The statements of a server.
#[derive(Default)]
pub struct Statements(Mutex<Kept>);

/// The number of the last statement, and the statements with their numbers by their handles.
type Kept = (u64, ByHandle);
type ByHandle = HashMap<Vec<u8>, (u64, Prepared)>;

impl Prepared {
    fn bytes(&self) -> usize {
        self.sql.len() + self.values.iter().map(ScalarValue::size).sum::<usize>()
    }
}

/// Makes place for one more statement, and so many bytes.
fn make_place(statements: &mut ByHandle, bytes: usize) {
    let mut held: usize = statements.values().map(|(_, prepared)| prepared.bytes()).sum();
    while statements.len() >= MOST || held + bytes > MOST_BYTES {
        let first = statements.iter().min_by_key(|(_, (number, _))| *number).map(|(handle, _)| handle.clone());
        let Some((_, gone)) = first.and_then(|handle| statements.remove(&handle)) else { return };
        held = held.saturating_sub(gone.bytes());
    }
}

impl Statements {
    /// Keeps a statement; returns its handle.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn keep(&self, prepared: Prepared) -> Result<Vec<u8>> {
        let mut handle = vec![0; 16];
        random(&mut handle)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, statements) = &mut *kept;
        make_place(statements, prepared.bytes());
        *number += 1;
        statements.insert(handle.clone(), (*number, prepared));
        Ok(handle)
    }

    /// Finds a statement of a caller.
    ///
    /// # Errors
    /// A handle that is none of the caller's.
    pub fn find(&self, handle: &[u8], caller: &str) -> Result<Prepared> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.1.get(handle).map(|(_, prepared)| prepared).filter(|prepared| prepared.caller == caller);
        found.cloned().ok_or_else(|| Error::usage("there is no such prepared statement").with_hint("prepare it again"))
    }

    /// Gives a statement of a caller the values of its parameters: those of one row.
    ///
    /// # Errors
    /// As [`Statements::find`]; more or fewer rows than one.
    pub fn bind(&self, handle: &[u8], caller: &str, rows: &[RecordBatch]) -> Result<()> {
        let mut values = None;
        for batch in rows.iter().filter(|batch| batch.num_rows() > 0) {
            if batch.num_rows() > 1 || values.is_some() {
                return Err(Error::usage("there is more than one row of values").with_hint("ask once for each row"));
            }
            let row = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
            values = Some(row.collect::<datafusion::error::Result<Vec<_>>>()?);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The statement itself may be the oldest, and is then to be prepared again.
        make_place(&mut kept.1, values.iter().flatten().map(ScalarValue::size).sum());
        match kept.1.get_mut(handle).map(|(_, prepared)| prepared).filter(|prepared| prepared.caller == caller) {
            Some(prepared) => prepared.values = values.unwrap_or_default(),
            None => return Err(Error::usage("there is no such prepared statement").with_hint("prepare it again")),
        }
        Ok(())
    }

    /// Forgets a statement of a caller.
    pub fn close(&self, handle: &[u8], caller: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1.get(handle).is_some_and(|(_, prepared)| prepared.caller == caller) {
            kept.1.remove(handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn old_statements_make_place_for_new_ones() {
        let statements = Statements::default();
        let prepared = |bytes: usize| Prepared { caller: "ana".to_owned(), sql: " ".repeat(bytes), values: vec![] };
        let handles: Vec<_> = (0..5).map(|_| statements.keep(prepared(MOST_BYTES / 4)).unwrap()).collect();
        assert_eq!(
            handles.iter().map(|handle| statements.find(handle, "ana").is_ok()).collect::<Vec<_>>(),
            [false, true, true, true, true]
        );
        let large = statements.keep(prepared(MOST_BYTES + 1)).unwrap();
        assert!(
            statements.find(&large, "ana").is_ok() && handles.iter().all(|one| statements.find(one, "ana").is_err())
        );
    }

    #[test]
    fn statements_are_of_who_prepared_them() {
        let statements = Statements::default();
        let prepared = Prepared { caller: "ana".to_owned(), sql: "select $1".to_owned(), values: vec![] };
        let handle = statements.keep(prepared).unwrap();
        let row = |count: i64| {
            RecordBatch::try_from_iter([("1", Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef)]).unwrap()
        };
        assert!(statements.find(&handle, "eve").is_err() && statements.bind(&handle, "eve", &[row(1)]).is_err());
        assert!(statements.bind(&handle, "ana", &[row(2)]).is_err());
        statements.bind(&handle, "ana", &[row(1)]).unwrap();
        assert_eq!(statements.find(&handle, "ana").unwrap().values, [ScalarValue::Int64(Some(0))]);
        statements.close(&handle, "eve");
        assert!(statements.find(&handle, "ana").is_ok());
        statements.close(&handle, "ana");
        assert!(statements.find(&handle, "ana").is_err());
    }
}
