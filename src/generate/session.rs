//! The course of a session: when it starts, what it runs through, how it ends, and how it looks at an instant between.
//!
//! Everything follows from the seed and the session's index. A later export of the same session therefore agrees with an
//! earlier one: running sessions grow, ended ones stay, but for rare corrections of the category.

use chrono::NaiveDate;

use super::calendar::{Calendar, DAY_US};
use super::catalogue::{Catalogue, Channel, Item, Workflow};
use super::content;
use super::odd::{self, Odd};
use super::people::{self, REGULAR_COUNT, REGULARS};
use super::random::{Purpose, Random, mix, unique};
use super::row::Row;
use super::shape::{Place, Shape};
use super::text::{month_day, push_id};
use crate::error::Result;

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// At the end item, without an interaction.
    Contained,
    /// By an interaction for an agent.
    Transferred,
    /// At an item in between: the customer gave up, or a step failed.
    Abandoned,
    /// Not at all: a branch without an end point.
    Stuck,
}

/// What is fixed about a session from the beginning.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) index: u64,
    pub(super) start_us: i64,
    pub(super) workflow: usize,
    pub(super) version: usize,
    pub(super) channel: Channel,
    pub(super) outcome: Outcome,
    /// When it ends, in microseconds since the Unix epoch; `None` where it never does.
    pub(super) end_us: Option<i64>,
    /// How long all steps take, in microseconds.
    pub(super) length_us: i64,
    /// Steps from the start to the last item of a session that goes all the way.
    pub(super) steps: u32,
    /// Steps after which this session ends or gets stuck; at most `steps`.
    pub(super) last_step: u32,
    /// Random bits for what varies within the course.
    pub(super) bits: u64,
    /// Number of the customer.
    pub(super) customer: u64,
    /// From when the category is a corrected one.
    pub(super) corrected_from_us: Option<i64>,
    pub(super) odd: Option<Odd>,
}

/// How a session looks at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The instant, or the end where that was before.
    pub(super) at_us: i64,
    pub(super) ended: bool,
    /// Steps done.
    pub(super) step: u32,
    /// How much of the whole way it has gone, from 0 to 100.
    pub(super) progress_percent: u64,
    pub(super) corrected: bool,
}

/// All that the sessions of one seed have in common.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) odd_per_million: u32,
    pub(super) calendar: Calendar,
    pub(super) catalogue: Catalogue,
    /// Sessions of two days, at least one: how far back a returning customer's earlier session lies at most.
    return_window: u64,
    shape: Option<Shape>,
}

impl World {
    /// Prepares the sessions of a seed.
    pub(super) fn new(seed: u64, sessions: u64, first_day: NaiveDate, days: u32, odd_per_million: u32) -> Result<Self> {
        let calendar = Calendar::new(seed, sessions, first_day, days)?;
        let catalogue = Catalogue::new(seed, &calendar);
        let return_window = (sessions * 2 / u64::from(days)).max(1);
        Ok(Self { seed, odd_per_million, calendar, catalogue, return_window, shape: None })
    }

    /// Gives the sessions documents of this shape.
    pub(super) fn with_shape(self, shape: Option<Shape>) -> Self {
        Self { shape, ..self }
    }

    /// Plans the course of session `index`.
    pub(super) fn plan(&self, index: u64) -> Plan {
        let (core, mut random) = self.core(index);
        let workflow = &self.catalogue.workflows[core.workflow];
        let mut length_us = self.catalogue.duration_us(core.workflow, core.version, core.channel, &mut random);
        let steps = 5 + random.below(10) as u32;
        let mut last_step = steps;
        match core.outcome {
            Outcome::Abandoned => {
                last_step = 1 + random.below(u64::from(steps) - 1) as u32;
                length_us = length_us * i64::from(last_step) / i64::from(steps) / 2 + 900_000;
            }
            Outcome::Stuck => last_step = 1 + random.below(u64::from(steps) - 1) as u32,
            Outcome::Contained | Outcome::Transferred => {}
        }
        let precision_us = self.calendar.precision_of(index);
        let end_us = (core.outcome != Outcome::Stuck).then(|| {
            let exact = core.start_us + length_us;
            exact - exact.rem_euclid(precision_us)
        });
        let corrected = random.chance(3_000) && !workflow.categories.is_empty();
        let corrected_from_us =
            end_us.filter(|_| corrected).map(|end| end + 6 * DAY_US / 24 + random.below(3 * DAY_US as u64) as i64);
        Plan {
            index,
            start_us: core.start_us,
            workflow: core.workflow,
            version: core.version,
            channel: core.channel,
            outcome: core.outcome,
            end_us,
            length_us,
            steps,
            last_step,
            bits: random.next(),
            customer: self.customer_of(index),
            corrected_from_us,
            odd: odd::pick(self.seed, index, self.odd_per_million),
        }
    }

    fn core(&self, index: u64) -> (Core, Random) {
        let mut random = Random::new(self.seed, Purpose::Course, index);
        let start_us = self.calendar.start_us(index);
        let workflow = self.catalogue.pick(&mut random);
        let habits = &self.catalogue.workflows[workflow];
        let mut version = habits.version_at(start_us);
        // Some routes name a version instead of the current one.
        if random.chance(20_000) {
            version = version.saturating_sub(1);
        }
        let mut share = random.below(100);
        let mut channel = Channel::Task;
        let kinds = [Channel::Phone, Channel::Messaging, Channel::Email, Channel::Task, Channel::Video];
        for (kind, part) in kinds.into_iter().zip(habits.channels) {
            if share < *part {
                channel = kind;
                break;
            }
            share -= part;
        }
        // Each version contains a little more than the one before; in every fifth workflow, less.
        let learnt = 4 * version as u64;
        let contained = match habits.index % 5 {
            3 => habits.contained_percent.saturating_sub(learnt),
            _ => (habits.contained_percent + learnt).min(98 - habits.transferred_percent.min(97)),
        };
        let outcome = match random.below(1000) {
            roll if roll < contained * 10 => Outcome::Contained,
            roll if roll < (contained + habits.transferred_percent) * 10 => Outcome::Transferred,
            roll if roll >= 994 => Outcome::Stuck,
            _ => Outcome::Abandoned,
        };
        (Core { start_us, workflow, version, channel, outcome }, random)
    }

    /// Finds out whose session this is: follows returning customers back to their first contact.
    fn customer_of(&self, index: u64) -> u64 {
        let mut session = index;
        for _ in 0..12 {
            let mut random = Random::new(self.seed, Purpose::Caller, session);
            let roll = random.below(1000);
            if roll < 25 {
                return REGULARS + random.skewed_below(REGULAR_COUNT);
            }
            if roll >= 300 || session == 0 {
                break;
            }
            let earlier = session - 1 - random.below(self.return_window.min(session));
            let returns_percent = match self.core(earlier).0.outcome {
                Outcome::Abandoned => 90,
                Outcome::Contained => 40,
                Outcome::Transferred | Outcome::Stuck => 30,
            };
            if random.below(100) >= returns_percent {
                break;
            }
            session = earlier;
        }
        session
    }

    /// Returns how a session looks at an instant, or `None` where it has not started before it.
    pub(super) fn state(&self, plan: &Plan, instant_us: i64) -> Option<State> {
        if plan.start_us >= instant_us {
            return None;
        }
        if let Some(end_us) = plan.end_us.filter(|end_us| *end_us <= instant_us) {
            return Some(State {
                at_us: end_us,
                ended: true,
                step: plan.last_step,
                progress_percent: u64::from(plan.last_step) * 100 / u64::from(plan.steps),
                corrected: plan.corrected_from_us.is_some_and(|from_us| from_us <= instant_us),
            });
        }
        let elapsed = (instant_us - plan.start_us).min(plan.length_us);
        let step = (i128::from(elapsed) * i128::from(plan.last_step) / i128::from(plan.length_us.max(1))) as u32;
        // The last step of a session that ends is its end.
        let step = if plan.end_us.is_some() { step.min(plan.last_step - 1) } else { step.min(plan.last_step) };
        Some(State {
            at_us: instant_us,
            ended: false,
            step,
            progress_percent: u64::from(step) * 100 / u64::from(plan.steps),
            corrected: false,
        })
    }

    /// Returns when a session came to look like this, in microseconds since the Unix epoch.
    pub(super) fn changed_us(&self, plan: &Plan, state: State) -> i64 {
        plan.corrected_from_us.filter(|_| state.corrected).unwrap_or(state.at_us)
    }

    /// Returns the item that a session is at after `step` steps.
    pub(super) fn item_at(&self, plan: &Plan, step: u32) -> &Item {
        let workflow = &self.catalogue.workflows[plan.workflow];
        let items = workflow.versions[plan.version].items;
        if step == plan.last_step {
            match plan.outcome {
                Outcome::Contained => return &workflow.end_item,
                Outcome::Transferred => return &workflow.interaction_item,
                // Nearly half of those who give up do so at the same place.
                Outcome::Abandoned if plan.bits % 100 < 45 => return &workflow.items[workflow.hot_item],
                Outcome::Stuck => return &workflow.items[workflow.stuck_item],
                Outcome::Abandoned => {}
            }
        }
        if step == 0 {
            return &workflow.items[0];
        }
        // Branches: which of two neighbours a step takes is the session's own.
        let branch = (plan.bits >> (step % 32)) as usize & 1;
        &workflow.items[(1 + step as usize * (items - 2) / plan.steps as usize + branch).min(items - 1)]
    }

    /// Returns the workflow of a session.
    pub(super) fn workflow(&self, plan: &Plan) -> &Workflow {
        &self.catalogue.workflows[plan.workflow]
    }

    /// Fills `row` with a session as it looks at this state.
    pub(super) fn fill<'w>(&'w self, row: &mut Row<'w>, plan: &Plan, state: State) {
        let workflow = self.workflow(plan);
        let customer = people::customer(self.seed, plan.customer);
        row.session_id.clear();
        push_id(&mut row.session_id, "028", month_day(plan.start_us), unique(self.seed, Purpose::Identity, plan.index));
        row.workflow_id = &workflow.id;
        row.version_id = &workflow.versions[plan.version].id;
        row.item_id = &self.item_at(plan, state.step).id;
        row.started_us = plan.start_us;
        row.ended_us = state.ended.then_some(state.at_us);
        row.time_in_workflow_ms = (state.at_us - plan.start_us) / 1000;
        row.communication_type = communication_type(plan);
        (row.category, row.sub_category) = category(workflow, plan, state);
        content::fill_source_details(row, plan, &customer);
        content::fill_action_data(row, self, plan, state);
        content::fill_data(row, self, plan, state, &customer);
        if let Some(shape) = &self.shape {
            let length_us = (self.calendar.end_us() - self.calendar.first_us()) as f64;
            let time = (plan.start_us - self.calendar.first_us()) as f64 / length_us;
            shape.fill(row, plan, Place { time, workflow: plan.workflow });
        }
        if let Some(odd) = plan.odd {
            odd.apply(row, plan);
        }
    }
}

struct Core {
    start_us: i64,
    workflow: usize,
    version: usize,
    channel: Channel,
    outcome: Outcome,
}

/// Spells the communication type as documented; a few sessions in a thousand as interfaces of the platform do.
fn communication_type(plan: &Plan) -> &'static str {
    let alias = mix(plan.bits) % 1000 < 4;
    match (plan.channel, alias) {
        (Channel::Phone, false) => "Phone",
        (Channel::Phone, true) => "voice",
        (Channel::Messaging, false) => "Messaging",
        (Channel::Messaging, true) => "chat",
        (Channel::Email, false) => "Email",
        (Channel::Email, true) => "email",
        (Channel::Task, false) => "Task",
        (Channel::Task, true) => "TASK",
        (Channel::Video, _) => "Video",
    }
}

/// Returns the category and sub-category that a session has been given; empty where it has none (yet).
fn category(workflow: &Workflow, plan: &Plan, state: State) -> (&'static str, &'static str) {
    let mut random = Random::from_bits(plan.bits ^ 0x0c47);
    if workflow.categories.is_empty() || state.progress_percent < 40 || random.below(100) >= 93 {
        return ("", "");
    }
    let place = random.skewed_below(workflow.categories.len() as u64) as usize;
    // A correction moves it to the next.
    let place = (place + usize::from(state.corrected)) % workflow.categories.len();
    let (category, sub_categories) = workflow.categories[place];
    let sub = random.skewed_below(sub_categories.len() as u64 + 1) as usize;
    (category, sub_categories.get(sub).copied().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(sessions: u64) -> World {
        World::new(1, sessions, NaiveDate::from_ymd_opt(2026, 10, 1).unwrap(), 51, 1000).unwrap()
    }

    #[test]
    fn a_state_never_goes_back() {
        let world = world(3_000);
        for index in 0..3_000 {
            let plan = world.plan(index);
            let mut before: Option<State> = None;
            for part in 0..40 {
                let instant_us = plan.start_us + plan.length_us * part / 20 + part;
                let now = world.state(&plan, instant_us);
                assert_eq!(now.is_some(), part > 0);
                if let (Some(before), Some(now)) = (before, now) {
                    assert!(now.step >= before.step && now.ended >= before.ended && now.at_us >= before.at_us);
                    assert!(now.progress_percent >= before.progress_percent);
                    assert!(!before.ended || now == (State { corrected: now.corrected, ..before }));
                }
                before = now;
            }
            assert_eq!(before.unwrap().ended, plan.outcome != Outcome::Stuck);
        }
    }

    #[test]
    fn outcomes_end_at_items_of_their_own() {
        let world = world(3_000);
        let mut outcomes = std::collections::BTreeMap::new();
        for index in 0..3_000 {
            let plan = world.plan(index);
            let last = world.item_at(&plan, plan.last_step);
            let terminal = match plan.outcome {
                Outcome::Contained => "end",
                Outcome::Transferred => "createInteraction",
                Outcome::Abandoned | Outcome::Stuck => "",
            };
            assert_eq!(terminal.is_empty(), !matches!(last.kind, "end" | "createInteraction"), "session {index}");
            assert!(terminal.is_empty() || last.kind == terminal);
            *outcomes.entry(format!("{:?}", plan.outcome)).or_insert(0) += 1;
        }
        assert!(outcomes["Contained"] > 1000 && outcomes["Transferred"] > 800, "{outcomes:?}");
        assert!((100..700).contains(&outcomes["Abandoned"]), "{outcomes:?}");
        assert!((8..40).contains(&outcomes["Stuck"]), "{outcomes:?}");
    }

    #[test]
    fn most_customers_come_once_and_some_many_times() {
        let world = world(3_000);
        let mut sessions = std::collections::BTreeMap::new();
        for index in 0..3_000 {
            *sessions.entry(world.customer_of(index)).or_insert(0_u32) += 1;
        }
        let once = sessions.values().filter(|count| **count == 1).count();
        let many = sessions.values().filter(|count| **count > 4).count();
        assert!(once > sessions.len() * 7 / 10 && once < sessions.len() * 95 / 100, "{once} of {}", sessions.len());
        assert!(many >= 3, "{many}");
    }
}
