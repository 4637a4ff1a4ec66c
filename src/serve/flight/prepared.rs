//! Statements that clients prepared, by their handles.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;

use crate::error::{Error, Result};
use crate::serve::scram::random;

/// Statements at once; beyond them the one that was prepared first makes place.
const MOST: usize = 10_000;

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
type Kept = (u64, HashMap<Vec<u8>, (u64, Prepared)>);

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
        if statements.len() >= MOST
            && let Some(first) =
                statements.iter().min_by_key(|(_, (number, _))| *number).map(|(handle, _)| handle.clone())
        {
            statements.remove(&first);
        }
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
