//! Rows that are odd but can be stored: what real exports hold, and what a data-quality report should find.

use super::random::{Purpose, Random};
use super::row::{JsonForm, Row};
use super::session::Plan;
use super::vocabulary::UNKNOWN_TYPES;

/// What is odd about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Odd {
    /// Ended before it started.
    EndedBeforeStarted,
    /// Time in workflow is not ended − started.
    TimeInWorkflowOff,
    /// The phone number is not the one in Source Details.
    PhoneDiffers,
    /// Data, Source Details or Action Data is broken JSON.
    BrokenJson,
    /// A communication type that is not documented.
    UnknownCommunicationType,
    /// A session id of another length or style.
    UnusualId,
    /// The row stands in the export twice.
    Duplicate,
    /// An older state of the session stands in the export too.
    Stale,
    /// Data of 16 to 64 KiB.
    LongData,
}

const KINDS: [Odd; 9] = [
    Odd::EndedBeforeStarted,
    Odd::TimeInWorkflowOff,
    Odd::PhoneDiffers,
    Odd::BrokenJson,
    Odd::UnknownCommunicationType,
    Odd::UnusualId,
    Odd::Duplicate,
    Odd::Stale,
    Odd::LongData,
];

/// Decides whether and how a session is odd.
pub(super) fn pick(seed: u64, index: u64, odd_per_million: u32) -> Option<Odd> {
    let mut random = Random::new(seed, Purpose::Odd, index);
    random.chance(odd_per_million.into()).then(|| random.pick(&KINDS))
}

impl Odd {
    /// Makes a filled row odd. Where its own oddity does not fit (a running session cannot have ended too early), the row
    /// stays as it is.
    pub(super) fn apply(self, row: &mut Row<'_>, plan: &Plan) {
        let mut random = Random::from_bits(plan.bits ^ 0x0dd);
        match self {
            Self::EndedBeforeStarted => {
                if row.ended_us.is_some() {
                    row.ended_us = Some(row.started_us - 1_000_000 * (1 + random.below(7200) as i64));
                }
            }
            Self::TimeInWorkflowOff => {
                if row.ended_us.is_some() {
                    // Milliseconds taken for seconds, or a clock that is off.
                    row.time_in_workflow_ms = if random.below(3) == 0 {
                        row.time_in_workflow_ms * 1000
                    } else {
                        row.time_in_workflow_ms + 37_250
                    };
                }
            }
            Self::PhoneDiffers => {
                if row.phone_number.starts_with('+') {
                    // What a spreadsheet leaves of a number, or another number.
                    if random.below(2) == 0 {
                        row.phone_number.remove(0);
                    } else {
                        row.phone_number.replace_range(.., "+15550100199");
                    }
                }
            }
            Self::BrokenJson => break_json(row, &mut random),
            Self::UnknownCommunicationType => row.communication_type = random.pick(&UNKNOWN_TYPES),
            Self::UnusualId => match random.below(3) {
                0 => row.session_id.push('a'),
                1 => row.session_id.insert_str(0, "wfs_"),
                _ => row.session_id.make_ascii_uppercase(),
            },
            Self::Duplicate | Self::Stale | Self::LongData => {}
        }
    }

    /// Returns the least size of Data in bytes that this oddity asks for; 0 where none.
    pub(super) fn data_bytes(self, plan: &Plan) -> usize {
        if self != Self::LongData {
            return 0;
        }
        16_384 + Random::from_bits(plan.bits ^ 0x1096).below(48_000) as usize
    }
}

fn break_json(row: &mut Row<'_>, random: &mut Random) {
    let kind = random.below(5);
    let cell = if kind == 4 { &mut row.source_details } else { &mut row.data };
    match kind {
        // Cut off, as by a column limit.
        0 | 1 | 4 => {
            let mut length = cell.text.len() / 3 + random.below(cell.text.len() as u64 / 2) as usize;
            while !cell.text.is_char_boundary(length) {
                length -= 1;
            }
            cell.text.truncate(length);
        }
        // A printed dictionary instead of JSON.
        2 => cell.text = cell.text.replace('"', "'"),
        // A line break that was never escaped.
        _ => cell.text.insert_str(2, "\r\n"),
    }
    cell.form = JsonForm::Text;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_up_at_its_share() {
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..200_000 {
            if let Some(odd) = pick(1, index, 10_000) {
                *counts.entry(odd).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(counts.len(), KINDS.len());
        assert!((1_800..2_200).contains(&counts.values().sum::<u32>()), "{counts:?}");
        assert!((0..100_000).all(|index| pick(1, index, 0).is_none()));
    }
}
