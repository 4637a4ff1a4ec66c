//! The JSON cells: Source Details, Action Data and Data.
//!
//! Written straight into text: a tree of values per row would cost ten times as much. What a running session shows is what
//! it will show when it has ended, less what its later steps bring.

mod value;

use super::catalogue::{Channel, Field};
use super::people::{Customer, Line};
use super::random::{Random, exponential, mix};
use super::row::{JsonForm, Row};
use super::session::{Outcome, Plan, State, World};
use super::text::{JsonText, month_day, push_hex, push_id, push_instant, push_number, push_padded};
use super::vocabulary::{FAILURES, INTENTS, ISSUES, NOTES, PRIORITIES, RARE, RESOLUTIONS, Value};
use crate::json::{Escaping, push_json_string_as};

/// Data of ordinary sessions is at most this long, in bytes.
const MOST_BYTES: usize = 1500;
/// What all sections but `variables` may take together, in bytes.
const OTHER_SECTIONS_BYTES: usize = 700;
/// What one more field may take, and what closes the text, in bytes.
const FIELD_BYTES: usize = 210;

/// Where sessions come in.
const ENTRIES: [&str; 3] = ["main_line", "web_site", "branch_office"];

fn escaping(workflow_index: usize) -> Escaping {
    if workflow_index % 4 == 2 { Escaping::Ascii } else { Escaping::Plain }
}

/// Writes Source Details, and lifts the phone number out of it.
pub(super) fn fill_source_details(row: &mut Row<'_>, plan: &Plan, customer: &Customer) {
    row.source_details.clear();
    row.phone_number.clear();
    let mut random = Random::from_bits(mix(plan.bits ^ 0x50));
    let mut json = JsonText { out: &mut row.source_details.text, escaping: Escaping::Plain };
    json.out.push('{');
    let mut has_number = customer.line != Line::Missing;
    match plan.channel {
        Channel::Phone => json.string("channel", "phone"),
        Channel::Messaging => {
            json.string("channel", "messaging");
            let platform = ["sms", "web", "whatsapp"][random.skewed_below(3) as usize];
            json.string("platform", platform);
            if platform == "web" {
                has_number = false;
                json.key("visitorId");
                json.out.push('"');
                push_hex(json.out, random.next(), 12);
                json.out.push('"');
                json.string("referrer", random.pick(&["https://www.example.com/help?q=a&b=c", "", "app://home"]));
            }
        }
        Channel::Email => {
            has_number = false;
            json.string("channel", "email");
            json.string("emailAddress", &customer.email);
        }
        Channel::Task => {
            json.string("channel", "api");
            json.string("trigger", random.pick(&["schedule", "schedule", "event"]));
        }
        Channel::Video => {
            has_number &= random.below(2) == 0;
            json.string("channel", "video");
        }
    }
    if has_number {
        json.string("phoneNumber", &customer.phone_number);
    }
    json.string("region", customer.region);
    if random.chance(60_000) {
        json.key("campaignId");
        json.out.push_str("\"cmp-");
        push_padded(json.out, random.skewed_below(40), 3);
        json.out.push('"');
    }
    if plan.channel == Channel::Phone && random.chance(250_000) {
        json.key("dialedNumber");
        json.out.push_str("\"+1800555");
        push_padded(json.out, 100 + random.skewed_below(20), 4);
        json.out.push('"');
    }
    json.close();
    row.source_details.form = JsonForm::Object;
    if has_number {
        row.phone_number.push_str(&customer.phone_number);
    }
}

/// Writes Action Data: the item that was executed last, in the shape that the workflow's interface uses. Nothing where
/// none has been executed.
pub(super) fn fill_action_data(row: &mut Row<'_>, world: &World, plan: &Plan, state: State) {
    row.action_data.clear();
    let reached = state.ended || (plan.outcome == Outcome::Stuck && state.step == plan.last_step);
    let item = match (reached, state.step) {
        (true, step) => world.item_at(plan, step),
        (false, 0) => return,
        (false, step) => world.item_at(plan, step - 1),
    };
    let workflow = world.workflow(plan);
    let mut random = Random::from_bits(mix(plan.bits ^ 0xac));
    let gave_up = state.ended && plan.outcome == Outcome::Abandoned && random.below(4) == 0;
    let action = if gave_up { "disconnect" } else { item.kind };
    let shape = if random.below(10) < 8 { workflow.index as u64 % 7 } else { random.below(7) };
    let mut json = JsonText { out: &mut row.action_data.text, escaping: escaping(workflow.index) };
    if shape < 3 {
        json.out.push_str(action);
        return;
    }
    if shape == 3 {
        push_json_string_as(json.out, action, Escaping::Plain);
        return;
    }
    row.action_data.form = JsonForm::Object;
    json.out.push('{');
    match shape {
        4 => {
            json.string("action", action);
            json.string("itemId", &item.id);
            json.string("name", item.name);
        }
        5 => {
            json.string("type", action);
            if item.kind == "createInteraction" {
                json.string("queueId", &workflow.queue_id);
            }
            json.number("path", u64::from(state.step));
        }
        _ if random.below(2) == 0 => json.string("name", action),
        _ => {
            json.open(action);
            json.close();
        }
    }
    json.close();
}

/// Writes Data: source, details, linkedIds, routing and variables, the last of them first in every other workflow.
pub(super) fn fill_data(row: &mut Row<'_>, world: &World, plan: &Plan, state: State, customer: &Customer) {
    let workflow = world.workflow(plan);
    row.data.clear();
    let mut out = std::mem::take(&mut row.data.text);
    let mut content = Content {
        json: JsonText { out: &mut out, escaping: escaping(workflow.index) },
        world,
        plan,
        state,
        customer,
        limit_bytes: MOST_BYTES,
    };
    content.json.out.push('{');
    let variables_first = workflow.index.is_multiple_of(2);
    if variables_first {
        content.limit_bytes = MOST_BYTES - OTHER_SECTIONS_BYTES;
        content.variables(row);
    }
    content.json.raw("source", &row.source_details.text);
    content.details();
    content.linked_ids();
    content.routing();
    if !variables_first {
        content.variables(row);
    }
    let least_bytes = plan.odd.map_or(0, |odd| odd.data_bytes(plan));
    if least_bytes > 0 {
        content.transcript(least_bytes);
    }
    content.json.close();
    row.data.text = out;
    row.data.form = JsonForm::Object;
}

struct Content<'a> {
    json: JsonText<'a>,
    world: &'a World,
    plan: &'a Plan,
    state: State,
    customer: &'a Customer,
    limit_bytes: usize,
}

impl Content<'_> {
    /// Decides whether a field is there, by its share and by how far the session has gone; then gives the bits of its value.
    fn shown(&self, slot: u64, per_million: u64, from_percent: u64) -> Option<Random> {
        let mut random = Random::from_bits(mix(self.plan.bits.wrapping_add(slot << 20)));
        let there = random.chance(per_million);
        let fits = self.json.out.len() + FIELD_BYTES <= self.limit_bytes;
        (there && fits && self.state.progress_percent >= from_percent).then_some(random)
    }

    fn details(&mut self) {
        let customer = self.customer;
        self.json.open("details");
        self.json.string("firstName", customer.name.first);
        self.json.string("lastName", customer.name.last);
        self.json.string("email", &customer.email);
        self.json.string("language", customer.name.language);
        // A number from one system, text from another.
        self.json.key("customerNumber");
        let quote = if self.plan.bits.is_multiple_of(5) { "\"" } else { "" };
        self.json.out.push_str(quote);
        push_number(self.json.out, customer.number);
        self.json.out.push_str(quote);
        self.json.close();
    }

    fn linked_ids(&mut self) {
        let day = month_day(self.plan.start_us);
        let bits = mix(self.plan.bits ^ 0x11);
        self.json.key("linkedIds");
        self.json.out.push('[');
        let interaction = self.plan.outcome == Outcome::Transferred && self.state.ended;
        if interaction {
            self.json.out.push_str("{\"type\":\"interaction\",\"id\":\"");
            push_id(self.json.out, "004", day, bits);
            self.json.out.push_str("\"}");
        }
        if bits % 10 < 3 {
            if interaction {
                self.json.out.push(',');
            }
            self.json.out.push_str("{\"type\":\"engagement\",\"id\":\"");
            for (place, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                if place > 0 {
                    self.json.out.push('-');
                }
                push_hex(self.json.out, mix(bits ^ place as u64), digits);
            }
            self.json.out.push_str("\"}");
        }
        self.json.out.push(']');
    }

    fn routing(&mut self) {
        self.json.open("routing");
        if self.plan.outcome == Outcome::Transferred && self.state.progress_percent >= 70 {
            let mut random = Random::from_bits(mix(self.plan.bits ^ 0x40));
            let workflow = self.world.workflow(self.plan);
            self.json.string("queueId", &workflow.queue_id);
            self.json.string("skill", workflow.topic);
            self.json.number("priority", 1 + random.below(5));
            if random.below(2) == 0 {
                self.json.number("estimatedWaitSeconds", random.skewed_below(900));
            }
        }
        self.json.close();
    }

    fn variables(&mut self, row: &Row<'_>) {
        let workflow = self.world.workflow(self.plan);
        let camel = workflow.index % 3 == 1;
        self.json.open("variables");
        if !row.category.is_empty() {
            self.json.string("category", row.category);
        }
        if !row.sub_category.is_empty() {
            self.json.string(if camel { "subCategory" } else { "sub_category" }, row.sub_category);
        }
        self.common_variables(camel);
        for (field, slot) in workflow.fields.iter().zip(100..) {
            self.field(field, slot);
        }
        if self.state.progress_percent >= 20 && self.json.out.len() + FIELD_BYTES <= self.limit_bytes {
            self.json.open(workflow.topic);
            for (field, slot) in workflow.nested_fields.iter().zip(200..) {
                self.field(field, slot);
            }
            self.json.close();
        }
        if let Some(mut random) = self.shown(300, 40_000, 10) {
            let (name, value) = RARE[rare_index(&mut random)];
            self.json.key(name);
            self.value(value, &mut random);
        }
        if workflow.index % 4 < 2 {
            self.events();
        }
        self.json.close();
    }

    fn common_variables(&mut self, camel: bool) {
        let customer = self.customer;
        self.json.string("customer_tier", customer.tier);
        self.json.string("entry_point", ENTRIES[(self.plan.bits >> 7) as usize % ENTRIES.len()]);
        self.json.string("currentStep", &self.world.item_at(self.plan, self.state.step).id);
        if self.shown(1, 550_000, 5).is_some() {
            self.json.key(if camel { "customerName" } else { "customer_name" });
            self.json.out.push('"');
            push_unquoted(self.json.out, customer.name.first, self.json.escaping);
            self.json.out.push(' ');
            push_unquoted(self.json.out, customer.name.last, self.json.escaping);
            self.json.out.push('"');
        }
        if self.shown(2, 150_000, 10).is_some() {
            self.json.string("user_id", &customer.email);
        }
        if let Some(mut random) = self.shown(3, 600_000, 15) {
            self.json.string("intent", INTENTS[random.skewed_below(INTENTS.len() as u64) as usize]);
            self.json.key("confidence");
            self.value(Value::Fraction, &mut random);
        }
        if let Some(mut random) = self.shown(4, 450_000, 20) {
            self.json.key("authenticated");
            self.value(Value::FlagMixed, &mut random);
        }
        if let Some(mut random) = self.shown(5, 350_000, 25) {
            self.json.string(if camel { "issueType" } else { "issue_type" }, random.pick(&ISSUES));
            self.json.string("priority", PRIORITIES[random.skewed_below(4) as usize]);
        }
        if let Some(mut random) = self.shown(6, 220_000, 30) {
            self.json.key(if camel { "orderId" } else { "order_id" });
            self.value(Value::Code, &mut random);
            self.json.key("amount");
            self.value(Value::MoneyMixed, &mut random);
        }
        if let Some(mut random) = self.shown(7, 120_000, 10) {
            self.json.key("website_visits");
            self.value(Value::CountText, &mut random);
        }
        if let Some(mut random) = self.shown(8, 80_000, 35) {
            self.json.key("bank_balance");
            self.value(Value::Money, &mut random);
        }
        if let Some(mut random) = self.shown(9, 15_000, 10) {
            self.json.string("error", random.pick(&FAILURES));
        }
        if let Some(mut random) = self.shown(10, 450_000, 100) {
            self.json.string("resolution", random.pick(&RESOLUTIONS));
            self.json.string("status", "COMPLETED");
        }
    }

    fn field(&mut self, field: &Field, slot: u64) {
        if let Some(mut random) = self.shown(slot, field.per_million, slot % 100 * 5) {
            self.json.key(&field.name);
            self.value(field.value, &mut random);
        }
    }

    /// Lists up to four items that the session passed, with when.
    fn events(&mut self) {
        let passed = self.state.step.min(4);
        if passed == 0 || self.shown(301, 450_000, 0).is_none() {
            return;
        }
        self.json.key("events");
        self.json.out.push('[');
        for step in 0..passed {
            if step > 0 && self.json.out.len() + FIELD_BYTES > self.limit_bytes {
                break;
            }
            let item = self.world.item_at(self.plan, step);
            let at_us = self.plan.start_us + self.plan.length_us / i64::from(self.plan.last_step) * i64::from(step);
            if step > 0 {
                self.json.out.push(',');
            }
            self.json.out.push('{');
            self.json.string("type", item.kind);
            self.json.key("at");
            self.json.out.push('"');
            push_instant(self.json.out, at_us - at_us.rem_euclid(1000));
            self.json.out.push('"');
            self.json.string("item", &item.id);
            self.json.close();
        }
        self.json.out.push(']');
    }

    /// Fills Data up to a size with what was said.
    fn transcript(&mut self, least_bytes: usize) {
        let mut random = Random::from_bits(mix(self.plan.bits ^ 0x7a));
        self.json.key("transcript");
        self.json.out.push('[');
        let mut first = true;
        while self.json.out.len() < least_bytes {
            if !std::mem::take(&mut first) {
                self.json.out.push(',');
            }
            self.json.out.push('{');
            self.json.string("from", random.pick(&["customer", "system"]));
            self.json.string("text", random.pick(&NOTES));
            self.json.close();
        }
        self.json.out.push(']');
    }
}

/// Picks a rare variable: the first is some thirty times as frequent as the last.
fn rare_index(random: &mut Random) -> usize {
    let share = random.below(1 << 30) as f64 / f64::from(1 << 30);
    // ln 41 = 3.7136: the power runs from 1 to 41.
    (exponential(share * 3.7136) as usize - 1).min(RARE.len() - 1)
}

fn push_unquoted(out: &mut String, text: &str, escaping: Escaping) {
    let from = out.len();
    push_json_string_as(out, text, escaping);
    out.remove(from);
    out.pop();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::odd::Odd;

    fn world() -> World {
        let first_day = chrono::NaiveDate::from_ymd_opt(2026, 10, 1).unwrap();
        World::new(1, 4_000, first_day, 51, 10_000).unwrap()
    }

    #[test]
    fn data_of_ordinary_sessions_is_valid_json_of_300_to_1500_bytes() {
        let world = world();
        let mut row = Row::default();
        let (mut total, mut least, mut most) = (0, usize::MAX, 0);
        for index in 0..4_000 {
            let plan = world.plan(index);
            for instant_us in [plan.start_us + 1, plan.start_us + plan.length_us / 2, i64::MAX] {
                let Some(state) = world.state(&plan, instant_us) else { continue };
                world.fill(&mut row, &plan, state);
                if row.data.form == JsonForm::Object {
                    let data: serde_json::Value = serde_json::from_str(&row.data.text).unwrap();
                    assert_eq!(data.as_object().unwrap().len(), 5 + usize::from(plan.odd == Some(Odd::LongData)));
                    assert_eq!(data["variables"]["category"].as_str().unwrap_or(""), row.category);
                    if row.source_details.form == JsonForm::Object && plan.odd != Some(Odd::PhoneDiffers) {
                        assert_eq!(data["source"]["phoneNumber"].as_str().unwrap_or(""), row.phone_number);
                    }
                }
                if plan.odd == Some(Odd::LongData) {
                    assert!((16_384..65_536).contains(&row.data.text.len()));
                } else if plan.odd != Some(Odd::BrokenJson) {
                    least = least.min(row.data.text.len());
                    most = most.max(row.data.text.len());
                    total += row.data.text.len();
                }
            }
        }
        assert!(least >= 300 && most <= 1500, "{least} to {most}");
        let average = total / 12_000;
        assert!((550..800).contains(&average), "average {average}");
    }

    #[test]
    fn a_later_state_keeps_the_events_of_an_earlier_one() {
        let world = world();
        let mut row = Row::default();
        let mut compared = 0;
        for index in 0..500 {
            let plan = world.plan(index);
            let mut events = Vec::new();
            for instant_us in [plan.start_us + plan.length_us / 3, i64::MAX] {
                let Some(state) = world.state(&plan, instant_us) else { continue };
                world.fill(&mut row, &plan, state);
                let data: serde_json::Value = serde_json::from_str(&row.data.text).unwrap_or_default();
                events.push(data["variables"]["events"].as_array().cloned().unwrap_or_default());
            }
            if let [earlier, later] = &events[..]
                && !earlier.is_empty()
                && !later.is_empty()
            {
                let shared = earlier.len().min(later.len());
                assert_eq!(earlier[..shared], later[..shared]);
                compared += 1;
            }
        }
        assert!(compared > 50, "{compared}");
    }
}
