//! One row of an export: the 14 documented columns, before any format.

/// A value on its way into a format; every format writes the same ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing.
    Null,
    /// Text, never empty.
    Text(&'a str),
    /// JSON that is an object: a nested one where the format nests, else its text.
    Object(&'a str),
    /// Microseconds since the Unix epoch.
    Instant(i64),
    /// Milliseconds of a column that is in seconds.
    Milliseconds(i64),
}

impl<'a> Value<'a> {
    fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }
}

/// Whether JSON is what its column promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum JsonForm {
    /// A bare word, a JSON string, or broken JSON: text in every format.
    #[default]
    Text,
    /// A valid, compact JSON object.
    Object,
}

/// A cell that holds JSON or what should be JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct JsonCell {
    pub(super) text: String,
    pub(super) form: JsonForm,
}

impl JsonCell {
    fn value(&self) -> Value<'_> {
        match self.form {
            JsonForm::Text => Value::text(&self.text),
            JsonForm::Object => Value::Object(&self.text),
        }
    }

    /// Empties the cell.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.form = JsonForm::Text;
    }
}

/// One row. Its buffers are used again for the next one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Row<'w> {
    pub(super) session_id: String,
    pub(super) workflow_id: &'w str,
    pub(super) version_id: &'w str,
    pub(super) item_id: &'w str,
    pub(super) started_us: i64,
    pub(super) ended_us: Option<i64>,
    pub(super) time_in_workflow_ms: i64,
    pub(super) communication_type: &'static str,
    pub(super) phone_number: String,
    pub(super) action_data: JsonCell,
    pub(super) data: JsonCell,
    pub(super) source_details: JsonCell,
    pub(super) category: &'static str,
    pub(super) sub_category: &'static str,
}

impl Row<'_> {
    /// Returns the values in the order of [`crate::schema::COLUMNS`].
    pub(super) fn values(&self) -> [Value<'_>; 14] {
        [
            self.action_data.value(),
            Value::text(self.communication_type),
            Value::text(self.item_id),
            self.data.value(),
            self.ended_us.map_or(Value::Null, Value::Instant),
            Value::text(&self.session_id),
            Value::text(&self.phone_number),
            self.source_details.value(),
            Value::Instant(self.started_us),
            Value::Milliseconds(self.time_in_workflow_ms),
            Value::text(self.category),
            Value::text(self.sub_category),
            Value::text(self.version_id),
            Value::text(self.workflow_id),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::COLUMNS;

    #[test]
    fn values_stand_in_the_order_of_the_documented_columns() {
        let row = Row {
            session_id: "session_id".into(),
            workflow_id: "workflow_id",
            version_id: "version_id",
            item_id: "current_workflow_item_id",
            communication_type: "communication_type",
            phone_number: "source_details_phone_number".into(),
            action_data: JsonCell { text: "action_data".into(), form: JsonForm::Text },
            data: JsonCell { text: "data".into(), form: JsonForm::Text },
            source_details: JsonCell { text: "source_details".into(), form: JsonForm::Text },
            category: "variables_category",
            sub_category: "variables_sub_category",
            ..Row::default()
        };
        for (column, value) in COLUMNS.iter().zip(row.values()) {
            match (column.name, value) {
                ("ended_at", Value::Null) | ("started_at", Value::Instant(0)) => {}
                ("time_in_workflow", Value::Milliseconds(0)) => {}
                (name, value) => assert_eq!(value, Value::Text(name)),
            }
        }
    }
}
