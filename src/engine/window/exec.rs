//! The operator: see the module.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::InputOrderMode;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use futures::{StreamExt, ready, stream};

use super::function::{Function, is_known};
use super::rows::Rows;
use crate::engine::own::{Node, Operator, OwnExec, Place};

/// The operator's node.
pub type ShiftWindowExec = OwnExec<ShiftWindow>;

/// Computes `lag`, `lead` and `row_number` over rows sorted by the window's partition.
#[derive(Debug)]
pub struct ShiftWindow {
    functions: Arc<[Function]>,
    partition_by: Arc<[Arc<dyn PhysicalExpr>]>,
}

impl Operator for ShiftWindow {
    const NAME: &'static str = "ShiftWindowExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        let Some(window) = stock.downcast_ref::<BoundedWindowAggExec>() else { return Ok(None) };
        if window.input_order_mode != InputOrderMode::Sorted || window.state_observer().is_some() {
            return Ok(None);
        }
        let mut functions = Vec::with_capacity(window.window_expr().len());
        for expr in window.window_expr() {
            let Some(function) = Function::of(expr)? else { return Ok(None) };
            functions.push(function);
        }
        let schema = window.input().schema();
        let partition_by: Vec<_> =
            window.window_expr().first().map(|expr| expr.partition_by().to_vec()).unwrap_or_default();
        for key in &partition_by {
            if !is_known(&key.data_type(&schema)?) {
                return Ok(None);
            }
        }
        for function in &functions {
            if let Function::Neighbour(neighbour) = function
                && neighbour.value.data_type(&schema)? != neighbour.default.data_type()
            {
                return Ok(None);
            }
        }
        Ok(Some(Self { functions: functions.into(), partition_by: partition_by.into() }))
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = place.stock.downcast_ref::<BoundedWindowAggExec>().map(BoundedWindowAggExec::window_expr);
        let names: Vec<&str> = names.into_iter().flatten().map(|expr| expr.name()).collect();
        write!(f, ": wdw=[{}]", names.join(", "))
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut input = place.input()?.execute(partition, context)?;
        let metrics = place.baseline(partition);
        let mut rows = Rows::new(place.stock.schema(), Arc::clone(&self.functions), Arc::clone(&self.partition_by));
        let batches = stream::poll_fn(move |cx| {
            loop {
                let next = {
                    let _timer = metrics.elapsed_compute().timer();
                    rows.next()
                };
                match next {
                    Ok(None) if rows.is_done() => return Poll::Ready(None),
                    Ok(None) => {}
                    given => return metrics.record_poll(Poll::Ready(given.transpose())),
                }
                match ready!(input.poll_next_unpin(cx)) {
                    Some(batch) => {
                        let _timer = metrics.elapsed_compute().timer();
                        if let Err(error) = batch.and_then(|batch| rows.push(batch)) {
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                    None => rows.end(),
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(place.stock.schema(), batches)))
    }
}
