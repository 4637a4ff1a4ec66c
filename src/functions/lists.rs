//! `array_agg` that says what it holds of texts, and `string_agg` that asks for no order.
//!
//! DataFusion 55.2 keeps the batches that it is given, and counts of a column of texts only where each text lies, which are 16 bytes a value: a
//! list of a gigabyte of documents passed under a limit of 64 MB. Here the bytes that the texts lie in are counted, each block once. What an
//! order or `distinct` asks for is kept as single values, and counted by DataFusion.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayData, ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

use super::instead::{InsteadOfAggregate, aggregate};

/// Bytes that a batch takes that is kept, besides its values.
const BATCH_BYTES: usize = 200;

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CountedLists {
    stock: Arc<AggregateUDF>,
}

/// Lists the aggregates, which stand in for those of DataFusion under their names.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    static LISTS: LazyLock<Arc<AggregateUDF>> =
        LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(CountedLists { stock: array_agg_udaf() })));
    static TEXTS: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| aggregate(JoinedTexts { stock: string_agg_udaf() }));
    vec![Arc::clone(&LISTS), Arc::clone(&TEXTS)]
}

/// `string_agg`, which sorts what it holds by itself: it asks for no order of its rows, so that several of one query may have different orders, and
/// is never turned round, as lists are not.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JoinedTexts {
    stock: Arc<AggregateUDF>,
}

impl InsteadOfAggregate for JoinedTexts {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn reversed(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

impl AggregateUDFImpl for CountedLists {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.stock.inner().state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let stock = self.stock.as_ref().clone().with_beneficial_ordering(beneficial_ordering)?;
        Ok(stock.map(|stock| Arc::new(Self { stock: Arc::new(stock) }) as _))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let is_plain = !args.is_distinct && args.order_bys.is_empty();
        let inner = self.stock.accumulator(args)?;
        Ok(if is_plain { Box::new(Counted { inner, held: Held::default() }) } else { inner })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.stock.inner().create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.stock.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let inner = self.stock.inner().create_groups_accumulator(args)?;
        Ok(Box::new(Counted { inner, held: Held::default() }))
    }

    /// DataFusion turns the order of one aggregate round to have the rows once in the order of another, and of distinct values forgets that it did.
    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.stock.inner().supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}

/// The blocks of bytes that the texts of batches lie in.
#[derive(Debug, Default)]
struct Held {
    blocks: HashSet<usize>,
    bytes: usize,
}

impl Held {
    fn add(&mut self, values: &[ArrayRef]) {
        for array in values {
            self.bytes += BATCH_BYTES + self.of_texts(&array.to_data());
        }
    }

    /// The bytes of blocks that were not there before.
    fn of_texts(&mut self, data: &ArrayData) -> usize {
        let mut bytes = 0;
        if matches!(data.data_type(), DataType::Utf8View | DataType::BinaryView) {
            for block in data.buffers().iter().skip(1) {
                if self.blocks.insert(block.data_ptr().as_ptr() as usize) {
                    bytes += block.capacity();
                }
            }
        }
        bytes + data.child_data().iter().map(|child| self.of_texts(child)).sum::<usize>()
    }

    fn bytes(&self) -> usize {
        self.bytes + self.blocks.capacity() * (size_of::<usize>() + 1)
    }
}

/// An accumulator of DataFusion's, and what it holds of texts.
#[derive(Debug)]
struct Counted<A> {
    inner: A,
    held: Held,
}

impl Accumulator for Counted<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.held.add(values);
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.held.add(states);
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        self.inner.size() + self.held.bytes()
    }
}

impl Counted<Box<dyn GroupsAccumulator>> {
    /// What goes out of some groups alone is still counted, until all are out.
    fn emitted(&mut self, emit_to: EmitTo) {
        if matches!(emit_to, EmitTo::All) {
            self.held = Held::default();
        }
    }
}

impl GroupsAccumulator for Counted<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.held.add(values);
        self.inner.update_batch(values, group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.held.add(values);
        self.inner.merge_batch(values, group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let lists = self.inner.evaluate(emit_to)?;
        self.emitted(emit_to);
        Ok(lists)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let lists = self.inner.state(emit_to)?;
        self.emitted(emit_to);
        Ok(lists)
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.inner.size() + self.held.bytes()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;

    use super::*;

    #[test]
    fn the_texts_of_batches_are_counted_each_block_once() {
        let texts: StringViewArray = (0..100).map(|number| Some(format!("{number:0>1000}"))).collect();
        let texts: ArrayRef = Arc::new(texts);
        let mut held = Held::default();
        held.add(&[texts.slice(0, 50)]);
        let first = held.bytes;
        assert!(first >= 50_000, "{first}");
        held.add(&[texts.slice(50, 50), texts]);
        assert!(held.bytes < 200_000, "{}", held.bytes);
        let few: ArrayRef = Arc::new(StringViewArray::from(vec!["short"]));
        let before = held.bytes;
        held.add(&[few]);
        assert_eq!(held.bytes, before + BATCH_BYTES);
    }
}
