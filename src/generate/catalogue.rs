//! The workflows of the invented account: their versions over time, items, habits and the fields of their Data.

use super::calendar::{Calendar, DAY_US};
use super::random::{Purpose, Random, exponential, unique};
use super::text::{month_day, push_id};
use super::vocabulary::{STEMS, Value};

/// What triggered a session; the documented communication types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Phone,
    Messaging,
    Email,
    Task,
    Video,
}

/// Which channels the sessions of a workflow come by, in shares of a hundred by channel.
type Channels = [u64; 5];
const VOICE: Channels = [92, 5, 1, 2, 0];
const DIGITAL: Channels = [16, 74, 8, 2, 0];
const MAIL: Channels = [2, 5, 86, 7, 0];
const SCHEDULE: Channels = [0, 0, 4, 96, 0];
const VIDEO: Channels = [38, 20, 0, 2, 40];

/// A category with its sub-categories.
pub(super) type Category = (&'static str, &'static [&'static str]);

const MONEY: &[Category] = &[
    ("billing", &["invoice", "refund", "dispute", "autopay"]),
    ("payment", &["card", "bank transfer", "plan"]),
    ("account", &["address", "closure", "login"]),
    ("fees", &["late fee", "waiver"]),
];
const GOODS: &[Category] = &[
    ("order", &["status", "change", "cancel"]),
    ("delivery", &["late", "damaged", "missing", "reschedule"]),
    ("return", &["label", "refund", "exchange"]),
    ("product", &["question", "warranty"]),
];
const SERVICE: &[Category] = &[
    ("outage", &["power", "internet", "planned work"]),
    ("repair", &["appointment", "no-show", "part"]),
    ("technical", &["device", "app", "password"]),
    ("complaint", &["wait time", "agent", "price", "other"]),
];
const CARE: &[Category] = &[
    ("appointment", &["new", "change", "cancel"]),
    ("prescription", &["refill", "status"]),
    ("claim", &["status", "document", "appeal"]),
    ("coverage", &["question", "enrolment"]),
];

struct Topic {
    name: &'static str,
    channels: Channels,
    /// Median seconds of a phone session.
    median_seconds: f64,
    contained_percent: u64,
    transferred_percent: u64,
    categories: &'static [Category],
}

const fn topic(
    name: &'static str,
    channels: Channels,
    median_seconds: f64,
    contained_percent: u64,
    transferred_percent: u64,
    categories: &'static [Category],
) -> Topic {
    Topic { name, channels, median_seconds, contained_percent, transferred_percent, categories }
}

/// The workflows, the busiest first: the k-th has 1/k of the sessions of the first.
const TOPICS: [Topic; 24] = [
    topic("billing", VOICE, 165.0, 46, 42, MONEY),
    topic("order_status", VOICE, 95.0, 68, 23, GOODS),
    topic("web_chat", DIGITAL, 110.0, 52, 36, GOODS),
    topic("outage", VOICE, 70.0, 78, 12, SERVICE),
    topic("appointments", VOICE, 210.0, 55, 33, CARE),
    topic("card_services", VOICE, 140.0, 39, 52, &[]),
    topic("claims", VOICE, 260.0, 24, 63, CARE),
    topic("password_reset", DIGITAL, 60.0, 83, 8, &[]),
    topic("mail_intake", MAIL, 80.0, 31, 64, SERVICE),
    topic("returns", DIGITAL, 130.0, 61, 28, GOODS),
    topic("callback", SCHEDULE, 90.0, 20, 70, &[]),
    topic("prescriptions", VOICE, 120.0, 71, 19, CARE),
    topic("sales", VOICE, 185.0, 12, 77, &[]),
    topic("delivery", VOICE, 105.0, 66, 24, GOODS),
    topic("fraud", VOICE, 75.0, 9, 86, MONEY),
    topic("loans", VOICE, 240.0, 28, 58, MONEY),
    topic("survey", SCHEDULE, 40.0, 88, 1, &[]),
    topic("roadside", VOICE, 100.0, 5, 89, &[]),
    topic("tech_support", VIDEO, 300.0, 30, 57, SERVICE),
    topic("complaints", MAIL, 150.0, 11, 84, SERVICE),
    topic("travel", VOICE, 280.0, 33, 55, &[]),
    topic("staff_helpdesk", DIGITAL, 170.0, 44, 47, SERVICE),
    topic("after_hours", VOICE, 45.0, 74, 6, &[]),
    topic("vip", VOICE, 30.0, 2, 95, &[]),
];

/// Kinds of workflow items, as Action Data names them; the first and the last two have their fixed places.
const ITEM_KINDS: [&str; 7] = ["say", "sayGather", "sayIntent", "lookUp", "webhook", "setVariable", "menu"];
/// Names that an administrator gives items.
const ITEM_NAMES: [&str; 10] = [
    "Greeting",
    "Ask for account number",
    "Understand request",
    "Find customer",
    "Check balance",
    "Remember choice",
    "Main menu",
    "Read out status",
    "Confirm \"yes\" or \"no\"",
    "Opening hours",
];

/// A step of a workflow.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
}

/// A published state of a workflow.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) id: String,
    /// From when sessions run through it, in microseconds since the Unix epoch.
    pub(super) from_us: i64,
    /// How many of the workflow's items it has, without the two that end it.
    pub(super) items: usize,
}

/// A field of Data that only one workflow has.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: Value,
    /// Share of sessions that have it, in a million.
    pub(super) per_million: u64,
}

/// A workflow with all that its sessions have in common.
#[derive(Debug)]
pub(super) struct Workflow {
    pub(super) id: String,
    pub(super) topic: &'static str,
    /// Version history, the oldest first; never empty.
    pub(super) versions: Vec<Version>,
    /// Items that do not end the workflow, the start first.
    pub(super) items: Vec<Item>,
    pub(super) end_item: Item,
    pub(super) interaction_item: Item,
    /// Item at which callers give up most.
    pub(super) hot_item: usize,
    /// Item from which a branch leads nowhere: sessions there stay active.
    pub(super) stuck_item: usize,
    pub(super) channels: &'static Channels,
    pub(super) median_seconds: f64,
    pub(super) contained_percent: u64,
    pub(super) transferred_percent: u64,
    /// Categories that the workflow sets; empty where the account does not use them.
    pub(super) categories: &'static [Category],
    /// Queue that its interactions go to.
    pub(super) queue_id: String,
    /// Fields directly in `variables`.
    pub(super) fields: Vec<Field>,
    /// Fields in an object of `variables` that is named after the topic.
    pub(super) nested_fields: Vec<Field>,
    /// Place in the catalogue, by which habits vary.
    pub(super) index: usize,
}

impl Workflow {
    /// Returns which version a session that starts then runs through, as an index.
    pub(super) fn version_at(&self, start_us: i64) -> usize {
        self.versions.partition_point(|version| version.from_us <= start_us).saturating_sub(1)
    }
}

/// All workflows of the account.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) workflows: Vec<Workflow>,
    /// Share of sessions up to and with this workflow.
    cumulated: Vec<u64>,
}

impl Catalogue {
    /// Makes the workflows of a seed; version cut-overs fall into the period of the calendar.
    pub(super) fn new(seed: u64, calendar: &Calendar) -> Self {
        let workflows = (0..TOPICS.len()).map(|index| workflow(seed, calendar, index)).collect();
        let cumulated = (1..=TOPICS.len() as u64)
            .scan(0, |total, rank| {
                *total += 1_000_000 / rank;
                Some(*total)
            })
            .collect();
        Self { workflows, cumulated }
    }

    /// Picks a workflow by its share.
    pub(super) fn pick(&self, random: &mut Random) -> usize {
        let target = random.below(self.cumulated.last().copied().unwrap_or(1));
        self.cumulated.partition_point(|share| *share <= target)
    }

    /// Returns how long a session lasts, in microseconds: log-normal, by workflow, version and channel.
    pub(super) fn duration_us(&self, workflow: usize, version: usize, channel: Channel, random: &mut Random) -> i64 {
        let stretch = match channel {
            Channel::Phone => 1.0,
            Channel::Messaging => 8.0,
            // These wait for a reply or for office hours.
            Channel::Email => 400.0,
            Channel::Task => 200.0,
            Channel::Video => 3.0,
        };
        // Newer versions are a little quicker.
        let learnt = 1.0 - 0.07 * version as f64;
        let spread = if channel == Channel::Phone { 0.65 } else { 0.9 };
        let seconds =
            self.workflows[workflow].median_seconds * stretch * learnt * exponential(spread * random.normal());
        (seconds.clamp(1.0, 6.0 * 86_400.0) * 1e6) as i64
    }
}

fn workflow(seed: u64, calendar: &Calendar, index: usize) -> Workflow {
    let topic = &TOPICS[index];
    let mut random = Random::new(seed, Purpose::Catalogue, index as u64);
    let created = 101 + 100 * random.below(9) as u32 + random.below(28) as u32;
    let mut ids = 0;
    let mut id = |prefix: &str, month_day: u32| {
        ids += 1;
        let mut id = String::with_capacity(26);
        push_id(&mut id, prefix, month_day, unique(seed, Purpose::Catalogue, ((index as u64 + 1) << 32) + ids));
        id
    };
    let most_items = 15 + random.below(24) as usize;
    let items: Vec<Item> = (0..most_items)
        .map(|place| Item {
            id: id("027", created),
            kind: if place == 0 { "start" } else { random.pick(&ITEM_KINDS) },
            name: if place == 0 { "Start" } else { random.pick(&ITEM_NAMES) },
        })
        .collect();
    // The oldest version is from before the period; the busiest workflow always has a cut-over in the middle.
    let days = (calendar.end_us() - calendar.first_us()) / DAY_US;
    let cutovers = if index == 0 { 2 } else { random.below(4) as i64 };
    let fewest_items = most_items - cutovers as usize;
    let versions = (0..=cutovers)
        .map(|number| {
            let slack = random.below((days / (cutovers + 1)).unsigned_abs() / 2 + 1) as i64;
            let day = if number == 0 { -30 } else { days * number / (cutovers + 1) + slack };
            // Published at two in the afternoon.
            let from_us = calendar.first_us() + day * DAY_US + DAY_US * 14 / 24;
            Version { id: id("026", month_day(from_us)), from_us, items: fewest_items + number as usize }
        })
        .collect();
    let common = fewest_items as u64;
    let end = Item { id: id("027", created), kind: "end", name: "End" };
    let interaction = Item { id: id("027", created), kind: "createInteraction", name: "Hand over" };
    Workflow {
        id: id("025", created),
        topic: topic.name,
        versions,
        hot_item: 1 + random.below(common - 1) as usize,
        stuck_item: 1 + random.below(common - 1) as usize,
        items,
        end_item: end,
        interaction_item: interaction,
        channels: &topic.channels,
        median_seconds: topic.median_seconds,
        contained_percent: topic.contained_percent,
        transferred_percent: topic.transferred_percent,
        categories: topic.categories,
        queue_id: id("003", created),
        fields: fields(index, 0..9, topic.name),
        nested_fields: fields(index, 9..15, ""),
        index,
    }
}

/// Shares of sessions that have the k-th field of their workflow, in a million.
const SHARES: [u64; 15] = [
    960_000, 520_000, 340_000, 220_000, 120_000, 60_000, 20_000, 8_000, 1_500, // directly in variables
    450_000, 300_000, 120_000, 40_000, 9_000, 600, // in the topic's object
];

fn fields(index: usize, places: std::ops::Range<usize>, prefix: &str) -> Vec<Field> {
    places
        .map(|place| {
            // 7 has no factor in common with the 30 stems: the 15 fields of a workflow differ.
            let (stem, value) = STEMS[(index * 11 + place * 7) % STEMS.len()];
            let name = if prefix.is_empty() { stem.to_owned() } else { format!("{prefix}_{stem}") };
            let name = if index % 3 == 1 { camel_case(&name) } else { name };
            Field { name, value, per_million: SHARES[place] }
        })
        .collect()
}

/// Spells `due_date` as `dueDate`.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.push(character.to_ascii_uppercase());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn catalogue() -> Catalogue {
        let first_day = chrono::NaiveDate::from_ymd_opt(2026, 10, 1).unwrap();
        Catalogue::new(1, &Calendar::new(1, 1000, first_day, 51).unwrap())
    }

    #[test]
    fn ids_are_unique_and_have_26_digits() {
        let catalogue = catalogue();
        let mut seen = BTreeSet::new();
        for workflow in &catalogue.workflows {
            let ids =
                workflow.items.iter().map(|item| &item.id).chain(workflow.versions.iter().map(|version| &version.id));
            for id in
                ids.chain([&workflow.id, &workflow.end_item.id, &workflow.interaction_item.id, &workflow.queue_id])
            {
                assert_eq!(id.len(), 26, "{id}");
                assert!(seen.insert(id.clone()), "{id} twice");
            }
        }
    }

    #[test]
    fn workflows_differ_in_versions_items_and_fields() {
        let catalogue = catalogue();
        let mut paths = BTreeSet::new();
        for workflow in &catalogue.workflows {
            assert!((15..=40).contains(&(workflow.items.len() + 2)) && workflow.hot_item < workflow.versions[0].items);
            assert!(workflow.versions.is_sorted_by_key(|version| version.from_us));
            for field in &workflow.fields {
                assert!(paths.insert(field.name.clone()), "{} twice", field.name);
            }
            for field in &workflow.nested_fields {
                assert!(paths.insert(format!("{}.{}", workflow.topic, field.name)), "{} twice", field.name);
            }
            let shares = workflow.contained_percent + workflow.transferred_percent;
            assert!(shares < 100 && workflow.channels.iter().sum::<u64>() == 100, "{}", workflow.topic);
        }
        assert_eq!(paths.len(), 24 * 15);
        assert!(catalogue.workflows.iter().any(|workflow| workflow.versions.len() == 1));
        assert_eq!(catalogue.workflows[0].versions.len(), 3);
    }

    #[test]
    fn the_busiest_workflow_has_many_times_the_sessions_of_the_last() {
        let catalogue = catalogue();
        let mut counts = [0_u32; TOPICS.len()];
        let mut random = Random::from_bits(5);
        for _ in 0..20_000 {
            counts[catalogue.pick(&mut random)] += 1;
        }
        assert!(counts[0] > counts[23] * 12, "{counts:?}");
        assert!(counts.iter().all(|count| *count > 0));
    }
}
