//! Decides which state of each session wins, from keys alone.
//!
//! A session may be seen in several states. The state with the greatest [`Key::rank`] wins, where `seen_us` of a state is the latest instant at
//! which that very state was seen: in this run, in the stored row, or in a sighting that was recorded since the row was written.
//!
//! Ranks are totally ordered, and the maximum of a set does not depend on the order in which its members arrive. The table therefore does
//! not depend on the order of exports either. A state that lost may be forgotten: the state that beat it is stored, and if the loser is seen
//! again, it arrives again with the later instant.

#![allow(clippy::indexing_slicing, reason = "states are numbered here")]

use std::collections::{HashMap, HashSet};

use super::keys::{Key, RowPlace};

/// What became of one incoming row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored; the lake did not know the session.
    Inserted,
    /// Stored in place of another state.
    Updated,
    /// The lake holds this state.
    Unchanged,
    /// Lost against another state.
    Superseded,
    /// A copy of another row of this run.
    Duplicate,
    /// Lost against another session under the same id, and no state of it.
    OtherSession,
}

/// What is to be done for the sessions of one partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Every incoming row, with what becomes of it.
    pub outcomes: Vec<(u64, Outcome)>,
    /// Stored rows that give way: file and row.
    pub removed: Vec<(u32, u32)>,
    /// Those of `removed` that are no state of the session which they give way to, and the row of this run that takes the place of each.
    pub other_sessions: Vec<(u32, u32, u64)>,
    /// Stored states that were seen again: content hash and instant.
    pub sightings: Vec<(i64, i64)>,
}

/// Calls back with the keys of each session, sorted by content.
fn each_session(keys: &mut [Key], mut visit: impl FnMut(&mut [Key])) {
    keys.sort_unstable_by_key(|key| (key.session, key.content));
    for group in keys.chunk_by_mut(|a, b| a.session == b.session) {
        visit(group);
    }
}

/// Lists the content hashes of stored states that an incoming state would beat, so that only a later sighting could save them.
pub fn states_in_doubt(keys: &mut [Key], doubtful: &mut HashSet<i64>) {
    each_session(keys, |group| {
        let best = group.iter().filter(|k| matches!(k.place, RowPlace::Incoming(_))).max_by_key(|k| k.rank()).copied();
        if let Some(best) = best {
            for stored in group.iter().filter(|k| matches!(k.place, RowPlace::Stored { .. })) {
                if stored.content != best.content && stored.ended == best.ended {
                    doubtful.insert(stored.content);
                }
            }
        }
    });
}

/// Resolves the sessions of one partition. `sightings` holds the latest recorded sighting of the states in doubt.
pub fn resolve(keys: &mut [Key], sightings: &HashMap<i64, i64>) -> Resolution {
    let mut resolution = Resolution::default();
    each_session(keys, |group| resolve_session(group, sightings, &mut resolution));
    resolution
}

/// One state of a session, however many rows it has.
struct State {
    best: Key,
    /// The row that stands for the state if it wins: the one seen last.
    incoming: Option<(i64, u64)>,
    stored: Option<(i64, u32, u32)>,
}

fn resolve_session(group: &[Key], sightings: &HashMap<i64, i64>, resolution: &mut Resolution) {
    if !group.iter().any(|key| matches!(key.place, RowPlace::Incoming(_))) {
        return;
    }
    let mut states: Vec<State> = Vec::with_capacity(2);
    for rows in group.chunk_by(|a, b| a.content == b.content) {
        let mut state = State { best: rows[0], incoming: None, stored: None };
        for key in rows {
            state.best.seen_us = state.best.seen_us.max(key.seen_us);
            match key.place {
                RowPlace::Incoming(ordinal) => match &mut state.incoming {
                    None => state.incoming = Some((key.seen_us, ordinal)),
                    Some(kept) => {
                        let copy = if (key.seen_us, std::cmp::Reverse(ordinal)) > (kept.0, std::cmp::Reverse(kept.1)) {
                            std::mem::replace(kept, (key.seen_us, ordinal)).1
                        } else {
                            ordinal
                        };
                        resolution.outcomes.push((copy, Outcome::Duplicate));
                    }
                },
                RowPlace::Stored { file, row } => {
                    // A second row of one session is none of ours; it is healed in passing.
                    if let Some((_, file, row)) = state.stored {
                        resolution.removed.push((file, row));
                    }
                    state.stored = Some((key.seen_us, file, row));
                    if let Some(seen_us) = sightings.get(&key.content) {
                        state.best.seen_us = state.best.seen_us.max(*seen_us);
                    }
                }
            }
        }
        states.push(state);
    }
    let had_stored = states.iter().any(|state| state.stored.is_some());
    let Some(winner) = (0..states.len()).max_by_key(|&i| states[i].best.rank()) else { return };
    for (index, state) in states.iter().enumerate() {
        if index != winner {
            let same = state.best.is_same_session(&states[winner].best);
            if let Some((_, ordinal)) = state.incoming {
                resolution.outcomes.push((ordinal, if same { Outcome::Superseded } else { Outcome::OtherSession }));
            }
            if let Some((_, file, row)) = state.stored {
                resolution.removed.push((file, row));
                if let (false, Some((_, ordinal))) = (same, states[winner].incoming) {
                    resolution.other_sessions.push((file, row, ordinal));
                }
            }
            continue;
        }
        match (state.incoming, state.stored) {
            (Some((_, ordinal)), Some((stored_seen_us, ..))) => {
                resolution.outcomes.push((ordinal, Outcome::Unchanged));
                if state.best.seen_us > stored_seen_us {
                    resolution.sightings.push((state.best.content, state.best.seen_us));
                }
            }
            (Some((_, ordinal)), None) => {
                let outcome = if had_stored { Outcome::Updated } else { Outcome::Inserted };
                resolution.outcomes.push((ordinal, outcome));
            }
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A model of the lake: the stored key of each session, and all sightings.
    #[derive(Default, Clone, Debug, PartialEq)]
    struct Model {
        stored: HashMap<u128, Key>,
        sightings: HashMap<i64, i64>,
    }

    impl Model {
        fn ingest(&mut self, incoming: &[Key]) -> Vec<Outcome> {
            let mut keys: Vec<Key> = incoming.to_vec();
            for (ordinal, key) in keys.iter_mut().enumerate() {
                key.place = RowPlace::Incoming(ordinal as u64);
            }
            let by_ordinal = keys.clone();
            let stored: Vec<Key> = self.stored.values().copied().collect();
            for (row, key) in stored.iter().enumerate() {
                keys.push(Key { place: RowPlace::Stored { file: 0, row: row as u32 }, ..*key });
            }
            let mut doubtful = HashSet::new();
            states_in_doubt(&mut keys, &mut doubtful);
            let known = doubtful.iter().filter_map(|c| Some((*c, *self.sightings.get(c)?))).collect();
            let resolution = resolve(&mut keys, &known);
            for (_, row) in &resolution.removed {
                self.stored.remove(&stored[*row as usize].session);
            }
            let mut outcomes = vec![None; incoming.len()];
            for (ordinal, outcome) in &resolution.outcomes {
                assert!(outcomes[*ordinal as usize].replace(*outcome).is_none(), "two outcomes for one row");
                if matches!(outcome, Outcome::Inserted | Outcome::Updated) {
                    let key = by_ordinal[*ordinal as usize];
                    assert!(self.stored.insert(key.session, key).is_none(), "two rows for one session");
                }
            }
            for (content, seen) in resolution.sightings {
                let entry = self.sightings.entry(content).or_insert(seen);
                *entry = (*entry).max(seen);
            }
            outcomes.into_iter().map(|o| o.expect("every row has an outcome")).collect()
        }

        /// Session to content: what a reader of the table sees.
        fn table(&self) -> Vec<(u128, i64)> {
            let mut rows: Vec<_> = self.stored.values().map(|k| (k.session, k.content)).collect();
            rows.sort_unstable();
            rows
        }
    }

    fn state(session: u128, content: i64, seen_us: i64) -> Key {
        // What a state is follows from its content, as in a real row.
        let ended = content % 3 == 0;
        let time_in_workflow = (content % 5) as u64;
        let content = content + 1000 * session as i64;
        let place = RowPlace::Incoming(0);
        Key { session, content, seen_us, time_in_workflow, started_s: 0, workflow: 0, ended, place }
    }

    #[test]
    fn a_state_seen_before_and_after_another_wins_in_every_order() {
        let (x1, y, x3) = (state(1, 1, 1), state(1, 2, 2), state(1, 1, 3));
        for order in [[x1, y, x3], [x1, x3, y], [y, x1, x3], [y, x3, x1], [x3, x1, y], [x3, y, x1]] {
            let mut model = Model::default();
            for key in order {
                model.ingest(&[key]);
            }
            assert_eq!(model.table(), [(1, x1.content)], "{order:?}");
            let mut at_once = Model::default();
            at_once.ingest(&order);
            assert_eq!(at_once.table(), model.table());
        }
    }

    #[test]
    fn an_ended_state_beats_a_running_one_that_was_seen_later() {
        let mut model = Model::default();
        let (ended, running) = (state(1, 3, 1), state(1, 1, 9));
        assert_eq!(model.ingest(&[running]), [Outcome::Inserted]);
        assert_eq!(model.ingest(&[ended]), [Outcome::Updated]);
        assert_eq!(model.ingest(&[running]), [Outcome::Superseded]);
        assert_eq!(model.ingest(&[ended, ended]), [Outcome::Unchanged, Outcome::Duplicate]);
    }

    #[test]
    fn another_session_under_one_id_is_no_state_that_is_superseded() {
        let (mut first, mut second, mut third) = (state(1, 3, 1), state(1, 6, 2), state(1, 9, 3));
        (first.started_s, second.started_s, third.started_s) = (10, u32::MAX, 11);
        let mut model = Model::default();
        assert_eq!(model.ingest(&[first, second]), [Outcome::OtherSession, Outcome::Inserted]);
        // What starts a second apart is one session, of which a stored row gives way too.
        assert_eq!(Model::default().ingest(&[first, third]), [Outcome::Superseded, Outcome::Inserted]);
        let stored = Key { place: RowPlace::Stored { file: 4, row: 2 }, ..second };
        let incoming = Key { place: RowPlace::Incoming(7), ..third };
        let resolution = resolve(&mut [stored, incoming], &HashMap::new());
        assert_eq!((resolution.removed, resolution.other_sessions), (vec![(4, 2)], vec![(4, 2, 7)]));
        // A workflow that is not named is no other one.
        (first.workflow, second.started_s, second.workflow) = (1, 10, 2);
        assert!(!first.is_same_session(&second) && first.is_same_session(&Key { workflow: 0, ..second }));
    }

    fn export() -> impl Strategy<Value = Vec<Key>> {
        // A file has one export time; contents repeat a lot.
        (1..6i64, proptest::collection::vec((0..4u128, 0..6i64), 0..12))
            .prop_map(|(seen, rows)| rows.into_iter().map(|(s, c)| state(s, c, seen)).collect())
    }

    proptest! {
        #[test]
        fn the_order_and_grouping_of_exports_does_not_matter(
            exports in proptest::collection::vec(export(), 1..5),
            order in Just(()).prop_perturb(|(), mut rng| rng.next_u64()),
        ) {
            let mut one_by_one = Model::default();
            for export in &exports {
                one_by_one.ingest(export);
            }
            let mut at_once = Model::default();
            at_once.ingest(&exports.concat());
            prop_assert_eq!(one_by_one.table(), at_once.table());
            let mut shuffled = exports.clone();
            let mut seed = order;
            for i in (1..shuffled.len()).rev() {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
                shuffled.swap(i, (seed >> 33) as usize % (i + 1));
            }
            let mut other = Model::default();
            for export in shuffled.iter().chain(&exports) {
                other.ingest(export);
            }
            prop_assert_eq!(other.table(), at_once.table());
        }

        #[test]
        fn a_second_time_changes_nothing(export in export()) {
            let mut model = Model::default();
            model.ingest(&export);
            let before = model.clone();
            let outcomes = model.ingest(&export);
            prop_assert_eq!(model, before);
            prop_assert!(outcomes.iter().all(|o| !matches!(o, Outcome::Inserted | Outcome::Updated)));
        }
    }
}
