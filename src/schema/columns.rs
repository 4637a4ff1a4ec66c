//! The 14 documented columns of the Workflow Sessions table.

/// What kind of value a column holds; it decides the Arrow type and how text is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or other text, kept as it came.
    Text,
    /// JSON, kept as the exact text that came in.
    Json,
    /// An instant in microseconds since the Unix epoch, UTC.
    Timestamp,
    /// A length of time in seconds, with fractions.
    Seconds,
}

/// One documented column.
#[derive(Debug)]
pub struct Column {
    /// The name in the platform's documentation.
    pub documented: &'static str,
    /// The name in SQL.
    pub name: &'static str,
    /// What kind of value it holds.
    pub kind: Kind,
    /// Whether a row without a value is quarantined.
    pub required: bool,
    /// What the value means.
    pub meaning: &'static str,
    /// Other header spellings, normalised (letters and digits only, lower case).
    pub aliases: &'static [&'static str],
}

/// The documented columns, in the documentation's (alphabetical) order.
pub const COLUMNS: [Column; 14] = [
    Column {
        documented: "Action Data",
        name: "action_data",
        kind: Kind::Json,
        required: false,
        meaning: "details of the workflow item that the session executed last; for an ended session mostly end or createInteraction",
        aliases: &["workflowsessionactiondata"],
    },
    Column {
        documented: "Communication Type",
        name: "communication_type",
        kind: Kind::Text,
        required: false,
        meaning: "type of the interaction that triggered the session: Email, Messaging, Phone, Task or Video",
        aliases: &["commtype", "workflowsessioncommtype"],
    },
    Column {
        documented: "Current Workflow Item Id",
        name: "current_workflow_item_id",
        kind: Kind::Text,
        required: false,
        meaning: "workflow item that the session is at, or ended at",
        aliases: &[
            "currentmodule",
            "itemid",
            "currentitemid",
            "workflowsessioncurrentworkflowitemid",
            "workflowsessionitemid",
        ],
    },
    Column {
        documented: "Data",
        name: "data",
        kind: Kind::Json,
        required: false,
        meaning: "JSON of highly variable content: customer, phone number, linked ids, workflow variables",
        aliases: &["workflowsessiondata"],
    },
    Column {
        documented: "Ended At",
        name: "ended_at",
        kind: Kind::Timestamp,
        required: false,
        meaning: "when the session ended; null while it runs",
        aliases: &["endtime", "endedon", "workflowsessionendtime"],
    },
    Column {
        documented: "Session Id",
        name: "session_id",
        kind: Kind::Text,
        required: true,
        meaning: "unique identifier of the session",
        aliases: &["workflowsessionid", "id"],
    },
    Column {
        documented: "Source Details - Phone Number",
        name: "source_details_phone_number",
        kind: Kind::Text,
        required: false,
        meaning: "phone number of the customer, derived from Source Details",
        aliases: &["phonenumber", "sourcephonenumber"],
    },
    Column {
        documented: "Source Details",
        name: "source_details",
        kind: Kind::Json,
        required: false,
        meaning: "JSON about the customer's side of the session; also part of Data",
        aliases: &["source", "workflowsessiondatasource"],
    },
    Column {
        documented: "Started At",
        name: "started_at",
        kind: Kind::Timestamp,
        required: true,
        meaning: "when the session began",
        aliases: &["starttime", "startedon", "workflowsessionstarttime"],
    },
    Column {
        documented: "Time in Workflow",
        name: "time_in_workflow",
        kind: Kind::Seconds,
        required: false,
        meaning: "seconds that the session has been active, as recorded by the export",
        aliases: &["timeinworkflowseconds", "durationseconds"],
    },
    Column {
        documented: "Variables - Category",
        name: "variables_category",
        kind: Kind::Text,
        required: false,
        meaning: "category that the workflow set; only some accounts have it",
        aliases: &["category"],
    },
    Column {
        documented: "Variables - Sub Category",
        name: "variables_sub_category",
        kind: Kind::Text,
        required: false,
        meaning: "sub category that the workflow set; only some accounts have it",
        aliases: &["subcategory"],
    },
    Column {
        documented: "Version Id",
        name: "version_id",
        kind: Kind::Text,
        required: false,
        meaning: "version of the workflow that the session runs through",
        aliases: &["workflowversionid", "workflowsessionworkflowversionid"],
    },
    Column {
        documented: "Workflow Id",
        name: "workflow_id",
        kind: Kind::Text,
        required: false,
        meaning: "workflow that the session runs through",
        aliases: &["workflowsessionworkflowid"],
    },
];

/// Returns the documented column with this SQL name.
pub fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}
