//! A call that reads its value where the walk finds it, or looks for it itself where that is less work.
//!
//! A function that reads an object stops at the object's end. Where the object stands near the beginning of the document and no other call
//! reads the document, the function alone reads less than the walk and the function together.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::Extract;

/// Bytes of a document before a value, below which the function finds it sooner than the walk.
const NEAR_BYTES: u64 = 160;

/// Says whether the values that a walk found stand near the beginning of their documents, where a value reaches to the document's
/// end. Documents without one are seldom walked, so that most must have one.
pub(super) fn are_near(documents: &StringViewArray, values: &StringViewArray) -> bool {
    let bytes = |texts: &StringViewArray| texts.lengths().map(u64::from).sum::<u64>();
    let some = |texts: &StringViewArray| texts.len() - texts.null_count();
    let before = bytes(documents).saturating_sub(bytes(values));
    some(values) * 2 > some(documents) && before < NEAR_BYTES * some(documents) as u64
}

/// A call as it was written, and the same call on what an [`Extract`] finds for it.
#[derive(Debug)]
pub struct Either {
    alone: Arc<dyn PhysicalExpr>,
    found: Arc<dyn PhysicalExpr>,
}

impl Either {
    /// Takes a call, and one whose first argument is the [`Extract`] of its value.
    pub fn new(alone: Arc<dyn PhysicalExpr>, found: Arc<dyn PhysicalExpr>) -> Self {
        Self { alone, found }
    }
}

impl PartialEq for Either {
    fn eq(&self, other: &Self) -> bool {
        self.alone.eq(&other.alone) && self.found.eq(&other.found)
    }
}

impl Eq for Either {}

impl Hash for Either {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.alone.hash(state);
        self.found.hash(state);
    }
}

impl fmt::Display for Either {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "either({}, {})", self.alone, self.found)
    }
}

impl PhysicalExpr for Either {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.found.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.found.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let children = self.found.children();
        let extract = children.first().and_then(|value| value.downcast_ref::<Extract>());
        match extract {
            Some(extract) if extract.is_better_alone(batch)? => self.alone.evaluate(batch),
            _ => self.found.evaluate(batch),
        }
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.alone, &self.found]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(match <[_; 2]>::try_from(children) {
            Ok([alone, found]) => Arc::new(Self { alone, found }),
            Err(_) => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.alone.fmt_sql(f)
    }
}
