//! The conditions of a join's filter that bound an expression over the build side by one over the probe side: `start <= at`.
//!
//! Of `start <= at and at < ended and name <> other` the first two are such conditions, and the filter is more than its bounds.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result, internal_datafusion_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_plan::joins::utils::JoinFilter;

/// How a value of the build side compares with one of the probe side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn of(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Lt => Self::Less,
            Operator::LtEq => Self::LessOrEqual,
            Operator::Gt => Self::Greater,
            Operator::GtEq => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn turned_round(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// Says whether the probe side's value is a lower bound of the build side's.
    pub(super) fn is_from_below(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

/// One condition: an expression of the build side, compared with one of the probe side, by their places in [`Bounds`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) comparison: Comparison,
}

/// The conditions of a filter that compare one side with the other, each expression once.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Expressions over the build side's columns; rows are sorted by the first.
    pub(super) lefts: Vec<Arc<dyn PhysicalExpr>>,
    /// Expressions over the probe side's columns.
    pub(super) rights: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) bounds: Vec<Bound>,
    /// Whether the filter has no other condition.
    pub(super) is_whole: bool,
}

impl Bounds {
    /// Finds such conditions among the conjuncts of a filter; `None` where there are none.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    pub(super) fn of(filter: &JoinFilter, left: &Schema, right: &Schema) -> Result<Option<Self>> {
        let mut found = Self { lefts: vec![], rights: vec![], bounds: vec![], is_whole: true };
        for condition in split_conjunction(filter.expression()) {
            found.is_whole &= found.add(condition, filter, left, right)?;
        }
        found.sort_by_what_is_bounded_twice();
        Ok(if found.bounds.is_empty() { None } else { Some(found) })
    }

    /// Takes in a conjunct, and says whether it is such a condition.
    fn add(
        &mut self,
        condition: &Arc<dyn PhysicalExpr>,
        filter: &JoinFilter,
        left: &Schema,
        right: &Schema,
    ) -> Result<bool> {
        let Some(binary) = condition.downcast_ref::<BinaryExpr>() else { return Ok(false) };
        let Some(comparison) = Comparison::of(*binary.op()) else { return Ok(false) };
        let sides = (side(binary.left(), filter), side(binary.right(), filter));
        let (one, other, comparison) = match sides {
            (Some(JoinSide::Left), Some(JoinSide::Right)) => (binary.left(), binary.right(), comparison),
            (Some(JoinSide::Right), Some(JoinSide::Left)) => (binary.right(), binary.left(), comparison.turned_round()),
            _ => return Ok(false),
        };
        let (one, other) = (over_input(one, filter)?, over_input(other, filter)?);
        let data_type = one.data_type(left)?;
        if data_type != other.data_type(right)? || !is_ordered(&data_type) {
            return Ok(false);
        }
        let bound = Bound { left: place(&mut self.lefts, one), right: place(&mut self.rights, other), comparison };
        self.bounds.push(bound);
        Ok(true)
    }

    /// Makes an expression that is bounded from both sides the first, by which rows are sorted: its range is exact, and narrows most.
    fn sort_by_what_is_bounded_twice(&mut self) {
        let is_bounded = |left: usize, from_below: bool| {
            self.bounds.iter().any(|bound| bound.left == left && bound.comparison.is_from_below() == from_below)
        };
        let twice = (0..self.lefts.len()).find(|left| is_bounded(*left, true) && is_bounded(*left, false));
        if let Some(first) = twice
            && first > 0
        {
            self.lefts.swap(0, first);
            for bound in &mut self.bounds {
                if bound.left == first {
                    bound.left = 0;
                } else if bound.left == 0 {
                    bound.left = first;
                }
            }
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bound) in self.bounds.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let (left, right) = (&self.lefts[bound.left], &self.rights[bound.right]);
            write!(f, "{comma}{left} {} {right}", bound.comparison)?;
        }
        Ok(())
    }
}

/// Returns the place of an expression among others, where it is put if it is new.
fn place(all: &mut Vec<Arc<dyn PhysicalExpr>>, expr: Arc<dyn PhysicalExpr>) -> usize {
    match all.iter().position(|other| other.as_ref() == expr.as_ref()) {
        Some(place) => place,
        None => {
            all.push(expr);
            all.len() - 1
        }
    }
}

/// Returns the side that all columns of an expression are of; `None` where there are two, or no columns.
fn side(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Option<JoinSide> {
    let mut sides = collect_columns(expr).into_iter().map(|column| {
        let column = filter.column_indices().get(column.index());
        column.map(|column| column.side)
    });
    let first = sides.next()??;
    sides.all(|side| side == Some(first)).then_some(first)
}

/// Rewrites an expression over the columns of a filter into one over the columns of the input that they are from.
fn over_input(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Result<Arc<dyn PhysicalExpr>> {
    Arc::clone(expr)
        .transform_up(|node| {
            let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
            let index = filter.column_indices().get(column.index()).map(|column| column.index);
            let index = index.ok_or_else(|| internal_datafusion_err!("a filter's column of no input"))?;
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
        })
        .data()
}

/// Says whether values of a type are compared as the integers are that stand for them.
fn is_ordered(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(
        data_type,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Date64 | Timestamp(..) | Duration(_)
    )
}

/// Values as integers that compare as they do.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) values: ScalarBuffer<i64>,
    pub(super) nulls: Option<NullBuffer>,
}

impl Ordered {
    /// Evaluates an expression of [`Bounds`].
    ///
    /// # Errors
    /// Expressions that fail.
    pub(super) fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Self> {
        let values: ArrayRef = expr.evaluate(batch)?.into_array(batch.num_rows())?;
        let values = cast(&values, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>();
        Ok(Self { values: values.values().clone(), nulls: values.nulls().cloned() })
    }
}
