//! FROM: the rows of tables, one joined to the next, by equal values where conditions say so.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::fault::Result;
use super::super::plan::{Condition, Kind, Node, Set, Source, Step};
use super::super::value::Value;
use super::{Cells, Frame, Run};

/// Rows of one table: those of the catalog are not copied.
enum Rows<'r> {
    Catalog(Vec<&'r [Value]>),
    Computed(Arc<Vec<Cells>>),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Catalog(rows) => rows.len(),
            Self::Computed(rows) => rows.len(),
        }
    }

    fn get(&self, at: usize) -> &[Value] {
        match self {
            Self::Catalog(rows) => rows.get(at).copied().unwrap_or_default(),
            Self::Computed(rows) => rows.get(at).map(Vec::as_slice).unwrap_or_default(),
        }
    }
}

impl Run<'_> {
    /// Joins tables to the row that stands before them.
    pub(super) fn joined(&self, steps: &[Step], before: Cells, outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        let mut rows = vec![before];
        let mut left = steps;
        while let Some((step, others)) = left.split_first() {
            let free = left.iter().take_while(|step| step.kind == Kind::Inner && !step.lateral).count();
            if free > 1 {
                let (run, others) = left.split_at(free);
                rows = self.in_any_order(run, rows, outer)?;
                left = others;
                continue;
            }
            left = others;
            if step.lateral {
                rows = self.lateral(step, &rows, outer)?;
            } else {
                let is_bound = |slot: usize| slot < step.offset;
                rows = self.join(step, &rows, outer, (&Self::conditions(step).collect::<Vec<_>>(), &is_bound))?;
            }
            // What a join keeps without a partner is asked of its filter, too.
            if step.kind != Kind::Inner {
                for condition in &step.filter {
                    rows = self
                        .passing(rows, |row| Ok(self.eval(&condition.node, Some(&Frame::of(row, outer)))?.is_true()))?;
                }
            }
        }
        Ok(rows)
    }

    /// The conditions that a pair of rows must meet.
    fn conditions(step: &Step) -> impl Iterator<Item = &Condition> {
        step.on.iter().chain(step.filter.iter().filter(|_| step.kind == Kind::Inner))
    }

    /// Joins tables of which none keeps rows without a partner: each time the one that has the fewest rows for each row up to then.
    fn in_any_order(&self, steps: &[Step], rows: Vec<Cells>, outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        let size = |step: &Step| match &step.source {
            Source::Table(number) => self.rows_of_table(*number).len(),
            Source::Cte(id) => self.by_name(*id).len(),
            _ => 100,
        };
        let is_empty = |step: &Step| matches!(step.source, Source::Table(_) | Source::Cte(_)) && size(step) == 0;
        if steps.iter().any(is_empty) {
            return Ok(Vec::new());
        }
        let start = steps.first().map_or(0, |step| step.offset);
        let mut pool: Vec<&Condition> = steps.iter().flat_map(Self::conditions).collect();
        let mut pending: Vec<&Step> = steps.iter().collect();
        let mut bound: Vec<std::ops::Range<usize>> = std::iter::once(0..start).collect();
        let mut rows = rows;
        while !pending.is_empty() {
            let is_bound = |slot: usize| bound.iter().any(|range| range.contains(&slot));
            let cost = |step: &Step| {
                let own = step.offset..step.offset + step.width;
                let is_own = |uses: &[usize]| !uses.is_empty() && uses.iter().all(|slot| own.contains(slot));
                let is_known = |uses: &[usize]| uses.iter().all(|slot| is_bound(*slot));
                let is_joined = pool
                    .iter()
                    .filter_map(|condition| condition.equal.as_ref())
                    .any(|[(_, a), (_, b)]| (is_own(a) && is_known(b)) || (is_own(b) && is_known(a)));
                // What is equal to something known has few rows for each.
                if is_joined { 1 + size(step) / 100 } else { 10 + size(step) * 10 }
            };
            let Some(next) = (0..pending.len()).min_by_key(|at| pending.get(*at).map_or(usize::MAX, |step| cost(step)))
            else {
                break;
            };
            let step = pending.remove(next);
            let own = step.offset..step.offset + step.width;
            let is_ready =
                |condition: &&Condition| condition.uses.iter().all(|slot| own.contains(slot) || is_bound(*slot));
            let (ready, later): (Vec<_>, Vec<_>) = pool.into_iter().partition(is_ready);
            rows = self.join(step, &rows, outer, (&ready, &is_bound))?;
            pool = later;
            bound.push(own);
        }
        Ok(rows)
    }

    fn lateral(&self, step: &Step, rows: &[Cells], outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        let mut joined = Vec::new();
        for row in rows {
            let frame = Frame::of(row, outer);
            let found = self.source(step, row, &frame, outer, &[])?;
            let before = joined.len();
            for at in 0..found.len() {
                self.step()?;
                let tail = found.get(at);
                let pair = Frame::joined(row, tail, step.offset, outer);
                if self.all(Self::conditions(step), &pair)? {
                    joined.push(merged(row, tail, step.offset));
                }
            }
            if joined.len() == before && matches!(step.kind, Kind::Left | Kind::Full) {
                joined.push(widened(row, step.width));
            }
            self.bounded(joined.len(), step.offset + step.width)?;
        }
        Ok(joined)
    }

    fn join(
        &self,
        step: &Step,
        rows: &[Cells],
        outer: Option<&Frame<'_>>,
        (conditions, is_bound): (&[&Condition], &dyn Fn(usize) -> bool),
    ) -> Result<Vec<Cells>> {
        let own = step.offset..step.offset + step.width;
        let is_own = |uses: &[usize]| uses.iter().all(|slot| own.contains(slot));
        let is_before = |uses: &[usize]| uses.iter().all(|slot| is_bound(*slot));
        // What is asked of the table alone is asked first, where its rows are not kept without a partner.
        let keeps_own = matches!(step.kind, Kind::Right | Kind::Full);
        let (mut alone, mut keys, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for condition in conditions.iter().copied() {
            match &condition.equal {
                _ if !keeps_own && is_own(&condition.uses) && !condition.uses.is_empty() => alone.push(condition),
                Some([(a, a_uses), (b, b_uses)]) if is_before(a_uses) && is_own(b_uses) && !b_uses.is_empty() => {
                    keys.push((a, b));
                }
                Some([(a, a_uses), (b, b_uses)]) if is_before(b_uses) && is_own(a_uses) && !a_uses.is_empty() => {
                    keys.push((b, a));
                }
                _ => rest.push(condition),
            }
        }
        let first = rows.first().map(Vec::as_slice).unwrap_or_default();
        let frame = Frame::of(&[], outer);
        let found = self.source(step, first, &frame, outer, &alone)?;
        let mut by_key: HashMap<Cells, Vec<usize>> = HashMap::new();
        let mut all = Vec::new();
        for at in 0..found.len() {
            self.step()?;
            let frame = Frame::joined(&[], found.get(at), step.offset, outer);
            if !self.all(alone.iter().copied(), &frame)? {
                continue;
            }
            if keys.is_empty() {
                all.push(at);
                continue;
            }
            if let Some(key) = self.key(keys.iter().map(|(_, own)| *own), &frame)? {
                by_key.entry(key).or_default().push(at);
            } else if keeps_own {
                all.push(at);
            }
        }
        let none = Vec::new();
        let mut joined: Vec<Cells> = Vec::new();
        let mut partnered = vec![false; if keeps_own { found.len() } else { 0 }];
        for row in rows {
            let before = joined.len();
            let candidates = if keys.is_empty() {
                &all
            } else {
                let key = self.key(keys.iter().map(|(before, _)| *before), &Frame::of(row, outer))?;
                key.and_then(|key| by_key.get(&key)).unwrap_or(&none)
            };
            for at in candidates {
                self.step()?;
                let tail = found.get(*at);
                if self.all(rest.iter().copied(), &Frame::joined(row, tail, step.offset, outer))? {
                    joined.push(merged(row, tail, step.offset));
                    if let Some(has) = partnered.get_mut(*at) {
                        *has = true;
                    }
                }
            }
            if joined.len() == before && matches!(step.kind, Kind::Left | Kind::Full) {
                joined.push(widened(row, step.width));
            }
            self.bounded(joined.len(), step.offset + step.width)?;
        }
        for (at, _) in partnered.iter().enumerate().filter(|(_, has)| !**has) {
            let nulls = std::iter::repeat_n(Value::Null, step.offset);
            joined.push(nulls.chain(found.get(at).iter().cloned()).collect());
        }
        Ok(joined)
    }

    fn all<'c>(&self, mut conditions: impl Iterator<Item = &'c Condition>, frame: &Frame<'_>) -> Result<bool> {
        conditions.try_fold(true, |all, condition| Ok(all && self.eval(&condition.node, Some(frame))?.is_true()))
    }

    /// Computes a key; none where a part is null, which is equal to nothing.
    fn key<'n>(&self, nodes: impl Iterator<Item = &'n Node>, frame: &Frame<'_>) -> Result<Option<Cells>> {
        let mut key = Vec::new();
        for node in nodes {
            match self.eval(node, Some(frame))? {
                Value::Null => return Ok(None),
                value => key.push(value),
            }
        }
        Ok(Some(key))
    }

    /// The rows of a table. `alone` are conditions of it alone, by which some are found without looking at all.
    fn source(
        &self,
        step: &Step,
        before: &[Value],
        frame: &Frame<'_>,
        outer: Option<&Frame<'_>>,
        alone: &[&Condition],
    ) -> Result<Rows<'_>> {
        Ok(match &step.source {
            Source::Table(number) => {
                let all = self.rows_of_table(*number);
                let looked_up = alone.iter().find_map(|condition| {
                    let [(a, a_uses), (b, b_uses)] = condition.equal.as_ref().filter(|_| !self.is_activity(*number))?;
                    let (slot, other) = match (a, b) {
                        (Node::Slot { up: 0, at }, other) if b_uses.is_empty() => (*at, other),
                        (other, Node::Slot { up: 0, at }) if a_uses.is_empty() => (*at, other),
                        _ => return None,
                    };
                    Some((self.catalog.index(*number, slot.checked_sub(step.offset)?)?, other))
                });
                match looked_up {
                    Some((index, other)) => {
                        let wanted = self.eval(other, Some(&Frame::of(&[], outer)))?;
                        let found = index.get(&wanted).into_iter().flatten();
                        Rows::Catalog(found.filter_map(|at| all.get(*at)).map(|row| &**row).collect())
                    }
                    None => Rows::Catalog(all.iter().map(|row| &**row).collect()),
                }
            }
            Source::Query(query) => Rows::Computed(self.shared(query, Some(frame))?),
            Source::Cte(id) => Rows::Computed(self.by_name(*id)),
            Source::Functions(sets, numbered) => {
                let mut parts = Vec::new();
                for set in sets {
                    parts.push((set.width, self.set_rows(set, Some(frame))?));
                }
                let most = parts.iter().map(|(_, rows)| rows.len()).max().unwrap_or_default();
                let row = |at: usize| {
                    let mut row = Vec::new();
                    for (width, rows) in &parts {
                        match rows.get(at) {
                            Some(cells) => row.extend(cells.iter().cloned()),
                            None => row.extend(std::iter::repeat_n(Value::Null, *width)),
                        }
                    }
                    if *numbered {
                        row.push(Value::Int(i64::try_from(at + 1).unwrap_or(i64::MAX)));
                    }
                    row
                };
                Rows::Computed(Arc::new((0..most).map(row).collect()))
            }
            Source::Group(steps) => {
                // Places count from the beginning of the whole row.
                let mut prefix = before.to_vec();
                prefix.resize(step.offset, Value::Null);
                let rows = self.joined(steps, prefix, outer)?;
                let own = |mut row: Cells| row.split_off(step.offset.min(row.len()));
                Rows::Computed(Arc::new(rows.into_iter().map(own).collect()))
            }
        })
    }

    /// Computes a function that gives rows.
    pub(super) fn set_rows(&self, set: &Set, frame: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        let args = set.arguments.iter().map(|node| self.eval(node, frame)).collect::<Result<Vec<_>>>()?;
        match set.routine {
            Some(routine) => {
                let rows = (routine.run)(self, &args)?;
                self.bounded(rows.len(), set.width)?;
                Ok(rows)
            }
            None => Ok(vec![args]),
        }
    }
}

/// Puts the cells of a table at their place.
fn merged(row: &[Value], tail: &[Value], offset: usize) -> Cells {
    let before = row.iter().take(offset).cloned();
    let missing = std::iter::repeat_n(Value::Null, offset.saturating_sub(row.len()));
    let after = row.iter().skip(offset + tail.len()).cloned();
    before.chain(missing).chain(tail.iter().cloned()).chain(after).collect()
}

fn widened(row: &[Value], by: usize) -> Cells {
    row.iter().cloned().chain(std::iter::repeat_n(Value::Null, by)).collect()
}
