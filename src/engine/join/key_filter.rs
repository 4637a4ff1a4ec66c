//! The dynamic filter that the keys of the build side put on the scan of the probe side.
//!
//! DataFusion's planner makes it and hands it to the stock operator and to the scan. Until it is filled it lets all rows pass. The last
//! partition of the build side that is collected fills it, and no scan waits for that.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::{Accumulator, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, DynamicFilterPhysicalExpr, InListExpr, lit};
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_plan::ExecutionPlan;

use super::build::Build;
use super::key_bits::{KeyBits, MayBeKey};
use super::terms::Terms;

/// The filter of a plan that runs, with what the partitions collected so far say of it.
#[derive(Debug)]
pub(super) struct KeyFilter {
    filter: Arc<DynamicFilterPhysicalExpr>,
    terms: Arc<Terms>,
    right_schema: SchemaRef,
    /// The most values that are listed one by one, where the join has a single key.
    most_values: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Partitions of the build side that are not collected yet.
    missing: usize,
    /// Whether the keys of all partitions collected so far are known; those of one that was too large are not.
    is_known: bool,
    /// The least and the greatest value of each key.
    extremes: Vec<(MinAccumulator, MaxAccumulator)>,
    /// The values of a single key; `None` where they are too many.
    values: Option<Vec<ArrayRef>>,
    /// The hashes of the keys, from the first partition on that has any.
    bits: Option<KeyBits>,
}

impl KeyFilter {
    /// Finds the filter that the stock operator was to fill for some partitions of the build side; `None` where there is none, or
    /// no scan has it.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    pub(super) fn of(
        stock: &dyn ExecutionPlan,
        right: &Arc<dyn ExecutionPlan>,
        terms: &Arc<Terms>,
        partitions: usize,
        most_values: usize,
    ) -> Result<Option<Self>> {
        let Some(filter) = stock.dynamic_expressions_produced().into_iter().next() else { return Ok(None) };
        let Ok(filter) = Arc::downcast::<DynamicFilterPhysicalExpr>(filter) else { return Ok(None) };
        if !is_in(filter.expression_id(), right)? {
            return Ok(None);
        }
        let right_schema = right.schema();
        let mut extremes = Vec::with_capacity(terms.right_keys.len());
        for key in &terms.right_keys {
            let data_type = key.data_type(&right_schema)?;
            extremes.push((MinAccumulator::try_new(&data_type)?, MaxAccumulator::try_new(&data_type)?));
        }
        let values = (terms.right_keys.len() == 1).then(Vec::new);
        let state = Mutex::new(State { missing: partitions, is_known: true, extremes, values, bits: None });
        Ok(Some(Self { filter, terms: Arc::clone(terms), right_schema, most_values, state }))
    }

    /// Takes in a partition of the build side; `None` where its keys are not known, so that all rows of the probe side pass.
    pub(super) fn report(&self, build: Option<&Build>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The filter saves work and no more: what cannot be said of the keys is not said.
        let is_added = build.is_some_and(|build| state.add(build, self.most_values).is_ok());
        state.is_known &= is_added;
        state.missing = state.missing.saturating_sub(1);
        if state.missing > 0 {
            return;
        }
        if state.is_known
            && let Ok(condition) = self.condition(&mut state)
        {
            // Where this fails the filter stays as it was.
            self.filter.update(condition).ok();
        }
        self.filter.mark_complete();
    }

    /// Makes the condition on the probe side's keys that rows with a partner pass.
    fn condition(&self, state: &mut State) -> Result<Arc<dyn PhysicalExpr>> {
        // The hashes of no key.
        let Some(bits) = state.bits.take() else { return Ok(lit(false)) };
        let mut conditions: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for (key, (least, greatest)) in self.terms.right_keys.iter().zip(&mut state.extremes) {
            for (operator, value) in [(Operator::GtEq, least.evaluate()?), (Operator::LtEq, greatest.evaluate()?)] {
                conditions.push(Arc::new(BinaryExpr::new(Arc::clone(key), operator, lit(value))));
            }
        }
        if let (Some(values), [key]) = (&state.values, &self.terms.right_keys[..]) {
            let values = concat(&values.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?;
            let is_listed = InListExpr::try_new_from_array(Arc::clone(key), values, false, &self.right_schema)?;
            conditions.push(Arc::new(is_listed));
        } else {
            let (keys, mask) = (self.terms.right_keys.clone(), self.terms.hash_mask);
            conditions.push(Arc::new(MayBeKey::new(keys, Arc::new(bits), mask)));
        }
        Ok(conjunction(conditions))
    }
}

impl State {
    fn add(&mut self, build: &Build, most_values: usize) -> Result<()> {
        if build.is_empty() {
            return Ok(());
        }
        // Rows are partitioned by the hash of their keys, so that the partitions to come have about as many keys.
        let bits = self.bits.get_or_insert_with(|| KeyBits::for_keys(build.hash_count() * self.missing.max(1)));
        build.hashes().for_each(|hash| bits.add(hash));
        for (key, (least, greatest)) in build.keys().iter().zip(&mut self.extremes) {
            least.update_batch(std::slice::from_ref(key))?;
            greatest.update_batch(std::slice::from_ref(key))?;
        }
        let listed = self.values.take();
        if let Some(mut values) = listed
            && let Some(distinct) = build.distinct_keys(most_values)?
        {
            values.extend(distinct);
            if values.iter().map(|values| values.len()).sum::<usize>() <= most_values {
                self.values = Some(values);
            }
        }
        Ok(())
    }
}

/// Says whether a plan has an expression.
fn is_in(id: Option<u64>, plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut is_found = false;
    plan.apply(|node| {
        node.apply_expressions(&mut |expr| {
            expr.apply(|expr| {
                is_found |= id.is_some() && expr.expression_id() == id;
                Ok(if is_found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })?;
        Ok(if is_found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(is_found)
}
