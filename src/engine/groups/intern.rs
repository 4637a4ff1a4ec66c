//! Interning: equal values of a column get equal codes, counted from 0 in the order in which the values are met.
//!
//! A text is looked up by its view, the 16 bytes that Arrow has for it. The view of a short text holds the text itself. The view of a long
//! text holds a place in a buffer, and texts that were decoded from one dictionary entry have one place. A place that was met before in this
//! batch therefore has its code without a look at the bytes. Only a text at a new place is hashed and compared.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, MAX_INLINE_VIEW_LEN, StringViewArray, StringViewBuilder, UInt32Array,
};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type,
};
use datafusion::common::{Result, internal_datafusion_err};
use xxhash_rust::xxh3::xxh3_64;

/// After a batch whose places were hardly ever met before, places are not looked up in this many batches.
const BATCHES_WITHOUT_PLACES: u32 = 16;

/// A hasher for numbers that are looked up by the million, and for texts.
#[derive(Debug, Default)]
struct Mix(u64);

impl Mix {
    fn add(&mut self, number: u64) {
        // The golden ratio in 64 bits; the halves of the product make one number.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.add(xxh3_64(bytes));
    }

    fn write_u8(&mut self, _: u8) {
        // What ends a text tells nothing where there is one alone.
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_u128(&mut self, number: u128) {
        self.add(number as u64);
        self.add((number >> 64) as u64);
    }
}

type Numbers<K> = HashMap<K, u32, BuildHasherDefault<Mix>>;

/// Stands for null until it has a code; more values than that are not counted.
const NULL: u32 = u32::MAX;
/// The slots of a [`Memo`]: a power of two.
const SLOTS: usize = 1_024;

/// A direct-mapped cache of codes: each key leads to one slot, which holds the key that came last. Nearly every row of a column of few
/// values is answered by the cache, in a third of the time that a hash table takes.
#[derive(Debug)]
struct Memo<K> {
    keys: Box<[K]>,
    codes: Box<[u32]>,
    /// A key that does not come.
    none: K,
}

impl<K: Copy + Eq> Memo<K> {
    fn new(none: K) -> Self {
        Self { keys: vec![none; SLOTS].into(), codes: vec![0; SLOTS].into(), none }
    }

    /// Returns the code of a key, which is looked up where it is not remembered.
    #[inline(always)]
    fn code(&mut self, key: K, folded: u64, look_up: impl FnOnce() -> u32) -> u32 {
        let slot = (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS;
        if self.keys[slot] != key {
            self.keys[slot] = key;
            self.codes[slot] = look_up();
        }
        self.codes[slot]
    }

    fn forget(&mut self) {
        self.keys.fill(self.none);
    }
}

/// Returns the number of a key, a new one where it has none.
fn number_of<K: Copy + Eq + Hash>(numbers: &mut Numbers<K>, key: K, count: &mut u32) -> u32 {
    *numbers.entry(key).or_insert_with(|| next(count))
}

fn next(count: &mut u32) -> u32 {
    let number = *count;
    *count += 1;
    number
}

/// The different values of one column.
#[derive(Debug)]
pub(super) struct Values {
    data_type: DataType,
    count: u32,
    null: Option<u32>,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Texts(Box<Texts>),
    /// Whole numbers, instants, days, truth values.
    Numbers(Numbers<u64>, Vec<u64>, Box<Memo<(u64, bool)>>),
}

impl Values {
    /// Makes an empty set for a type; `None` where its values have no codes here.
    pub fn new(data_type: &DataType) -> Option<Self> {
        let store = match data_type {
            DataType::Utf8View => Store::Texts(Box::default()),
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::Date32
            | DataType::Timestamp(..) => {
                Store::Numbers(Numbers::default(), Vec::new(), Box::new(Memo::new((0, false))))
            }
            _ => return None,
        };
        Some(Self { data_type: data_type.clone(), count: 0, null: None, store })
    }

    /// The number of different values, null among them.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Bytes that the values take, about.
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::Texts(texts) => texts.known.bytes + texts.known.places.capacity() * 40,
            Store::Numbers(numbers, values, _) => numbers.capacity() * 24 + values.capacity() * 8,
        }
    }

    /// Writes the codes of a column's rows.
    ///
    /// # Errors
    /// A column of another type.
    pub fn intern(&mut self, column: &ArrayRef, codes: &mut Vec<u32>) -> Result<()> {
        codes.clear();
        codes.reserve(column.len());
        let Self { data_type, count, null, store } = self;
        if column.data_type() != data_type {
            return Err(internal_datafusion_err!("groups of {} in place of {data_type}", column.data_type()));
        }
        match store {
            Store::Texts(texts) => texts.intern(column.as_string_view(), count, null, codes),
            Store::Numbers(numbers, values, memo) => {
                let mut set = NumberSet { numbers, values, memo, count, null };
                match data_type {
                    DataType::Boolean => {
                        set.intern_with(column, |row| u64::from(column.as_boolean().value(row)), codes)
                    }
                    DataType::Int8 => set.intern::<Int8Type>(column, codes),
                    DataType::Int16 => set.intern::<Int16Type>(column, codes),
                    DataType::Int32 => set.intern::<Int32Type>(column, codes),
                    DataType::Int64 => set.intern::<Int64Type>(column, codes),
                    DataType::UInt8 => set.intern::<UInt8Type>(column, codes),
                    DataType::UInt16 => set.intern::<UInt16Type>(column, codes),
                    DataType::UInt32 => set.intern::<UInt32Type>(column, codes),
                    DataType::Date32 => set.intern::<Date32Type>(column, codes),
                    DataType::Timestamp(TimeUnit::Second, _) => set.intern::<TimestampSecondType>(column, codes),
                    DataType::Timestamp(TimeUnit::Millisecond, _) => {
                        set.intern::<TimestampMillisecondType>(column, codes)
                    }
                    DataType::Timestamp(TimeUnit::Microsecond, _) => {
                        set.intern::<TimestampMicrosecondType>(column, codes)
                    }
                    DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                        set.intern::<TimestampNanosecondType>(column, codes)
                    }
                    other => return Err(internal_datafusion_err!("groups of {other}")),
                }
            }
        }
        Ok(())
    }

    /// Returns the values of codes as a column.
    ///
    /// # Errors
    /// Codes that were never given.
    pub fn column(&self, codes: &UInt32Array) -> Result<ArrayRef> {
        let values: ArrayRef = match &self.store {
            Store::Texts(texts) => texts.known.values(self.null),
            Store::Numbers(_, values, _) => {
                let numbers = values
                    .iter()
                    .enumerate()
                    .map(|(code, value)| (self.null != u32::try_from(code).ok()).then_some(*value as i64));
                let numbers: datafusion::arrow::array::Int64Array = numbers.collect();
                // What was written as bits of 64 is read back as the type's own.
                match &self.data_type {
                    DataType::Date32 => cast(&cast(&numbers, &DataType::Int32)?, &DataType::Date32)?,
                    other => cast(&numbers, other)?,
                }
            }
        };
        Ok(take(&values, codes, None)?)
    }
}

struct NumberSet<'a> {
    numbers: &'a mut Numbers<u64>,
    values: &'a mut Vec<u64>,
    /// Codes of numbers, with `true` beside each.
    memo: &'a mut Memo<(u64, bool)>,
    count: &'a mut u32,
    null: &'a mut Option<u32>,
}

impl NumberSet<'_> {
    fn intern<T: ArrowPrimitiveType<Native: Into<i64>>>(&mut self, column: &ArrayRef, codes: &mut Vec<u32>) {
        let values = column.as_primitive::<T>().values();
        let number = |row: usize| -> u64 {
            let value: i64 = values[row].into();
            value as u64
        };
        self.intern_with(column, number, codes);
    }

    fn intern_with(&mut self, column: &ArrayRef, number: impl Fn(usize) -> u64, codes: &mut Vec<u32>) {
        let Self { numbers, values, memo, count, null } = self;
        let mut code = |value: u64| {
            memo.code((value, true), value, || {
                let code = number_of(numbers, value, count);
                if code as usize == values.len() {
                    values.push(value);
                }
                code
            })
        };
        match column.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => codes.extend((0..column.len()).map(|row| code(number(row)))),
            Some(nulls) => {
                for row in 0..column.len() {
                    codes.push(if nulls.is_valid(row) { code(number(row)) } else { NULL });
                }
                // Null gets its code when all values of the batch have theirs.
                let null = *null.get_or_insert_with(|| {
                    values.push(0);
                    next(count)
                });
                codes.iter_mut().filter(|code| **code == NULL).for_each(|code| *code = null);
            }
        }
    }
}

/// The different texts of a column.
#[derive(Debug)]
struct Texts {
    /// Codes of views: short texts, and places of long ones in the buffers of the newest batch.
    memo: Memo<u128>,
    known: KnownTexts,
    /// The buffers that the places point into. The set holds them: as long as it does, no other buffer can get the same address.
    buffers: Vec<Buffer>,
    without_places: u32,
}

impl Default for Texts {
    fn default() -> Self {
        // A text of 4 GB does not come.
        let memo = Memo::new(u128::MAX);
        Self { memo, known: KnownTexts::default(), buffers: Vec::new(), without_places: 0 }
    }
}

impl Texts {
    fn intern(&mut self, column: &StringViewArray, count: &mut u32, null: &mut Option<u32>, codes: &mut Vec<u32>) {
        self.turn_to(column);
        let Self { memo, known, without_places, .. } = self;
        known.uses_places = *without_places == 0;
        *without_places = without_places.saturating_sub(1);
        known.missed = 0;
        let mut code = |row: usize, view: u128| {
            let folded = (view as u64) ^ ((view >> 64) as u64).rotate_left(29);
            memo.code(view, folded, || known.code(view, column.value(row), count))
        };
        let views = column.views();
        match column.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => codes.extend(views.iter().enumerate().map(|(row, view)| code(row, *view))),
            Some(nulls) => {
                for (row, view) in views.iter().enumerate() {
                    codes.push(if nulls.is_valid(row) { code(row, *view) } else { NULL });
                }
                // Null gets its code when all texts of the batch have theirs.
                let null = *null.get_or_insert_with(|| {
                    known.texts.push("".into());
                    next(count)
                });
                codes.iter_mut().filter(|code| **code == NULL).for_each(|code| *code = null);
            }
        }
        if known.uses_places && known.missed * 2 > column.len() {
            *without_places = BATCHES_WITHOUT_PLACES;
            known.places = Numbers::default();
        }
    }

    /// Forgets the places of earlier batches unless this one has the same buffers.
    fn turn_to(&mut self, column: &StringViewArray) {
        let buffers = column.data_buffers();
        let is_same = |(known, buffer): (&Buffer, &Buffer)| known.as_ptr() == buffer.as_ptr();
        if self.buffers.len() != buffers.len() || !self.buffers.iter().zip(buffers).all(is_same) {
            self.known.places.clear();
            self.memo.forget();
            self.buffers = buffers.to_vec();
        }
    }
}

/// The codes of texts.
#[derive(Debug, Default)]
struct KnownTexts {
    /// Texts that are their views.
    short: Numbers<u128>,
    /// Places of long texts in the buffers of the newest batch.
    places: Numbers<u128>,
    long: HashMap<Box<str>, u32, BuildHasherDefault<Mix>>,
    /// Whether places are asked after in the newest batch, and how many of its texts stood at none that was known.
    uses_places: bool,
    missed: usize,
    /// The texts by code; empty for null.
    texts: Vec<Box<str>>,
    bytes: usize,
}

impl KnownTexts {
    /// Returns the code of a text that a view shows, a new one where it has none.
    fn code(&mut self, view: u128, text: &str, count: &mut u32) -> u32 {
        if view as u32 <= MAX_INLINE_VIEW_LEN {
            let code = number_of(&mut self.short, view, count);
            if code as usize == self.texts.len() {
                self.keep(text);
            }
            return code;
        }
        if self.uses_places
            && let Some(code) = self.places.get(&view)
        {
            return *code;
        }
        self.missed += 1;
        let code = match self.long.get(text) {
            Some(code) => *code,
            None => {
                let code = next(count);
                self.long.insert(text.into(), code);
                self.bytes += text.len();
                self.keep(text);
                code
            }
        };
        if self.uses_places {
            self.places.insert(view, code);
        }
        code
    }

    fn keep(&mut self, text: &str) {
        // The text, its two pointers, and an entry of a table.
        self.bytes += text.len() + 80;
        self.texts.push(text.into());
    }

    fn values(&self, null: Option<u32>) -> ArrayRef {
        let mut values = StringViewBuilder::with_capacity(self.texts.len());
        for (code, text) in self.texts.iter().enumerate() {
            if null == u32::try_from(code).ok() {
                values.append_null();
            } else {
                values.append_value(text);
            }
        }
        Arc::new(values.finish())
    }
}

/// Numbers for pairs of codes.
#[derive(Debug)]
pub(super) struct Pairs {
    memo: Memo<u64>,
    numbers: Numbers<u64>,
    pairs: Vec<(u32, u32)>,
}

impl Default for Pairs {
    fn default() -> Self {
        // No code is as large.
        Self { memo: Memo::new(u64::MAX), numbers: Numbers::default(), pairs: Vec::new() }
    }
}

impl Pairs {
    /// The number of different pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Bytes that the pairs take, about.
    pub fn bytes(&self) -> usize {
        self.numbers.capacity() * 24 + self.pairs.capacity() * 8
    }

    /// Puts the number of each row's pair in place of its left code.
    pub fn intern(&mut self, left: &mut [u32], right: &[u32]) {
        let Self { memo, numbers, pairs } = self;
        for (left, right) in left.iter_mut().zip(right) {
            let key = u64::from(*left) << 32 | u64::from(*right);
            *left = memo.code(key, key, || {
                let mut count = pairs.len() as u32;
                let number = number_of(numbers, key, &mut count);
                if number as usize == pairs.len() {
                    pairs.push((*left, *right));
                }
                number
            });
        }
    }

    /// Returns the pair of a number.
    pub fn pair(&self, number: u32) -> Option<(u32, u32)> {
        self.pairs.get(number as usize).copied()
    }
}
