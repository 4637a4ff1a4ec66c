//! What clients can ask with SHOW and current_setting: the names of PostgreSQL's settings, what they are here, and which a client may set.
//!
//! A server that answers questions has no use for most of them; drivers ask for some all the same, and set others when they connect.

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it is unless a client sets it.
    pub value: &'static str,
    /// The kind of its values, as pg_settings names it.
    pub kind: &'static str,
    /// `user` if clients may set it, else `internal`.
    pub context: &'static str,
    /// What it is about.
    pub about: &'static str,
}

const fn fixed(name: &'static str, kind: &'static str, value: &'static str, about: &'static str) -> Setting {
    Setting { name, value, kind, context: "internal", about }
}

const fn free(name: &'static str, kind: &'static str, value: &'static str, about: &'static str) -> Setting {
    Setting { name, value, kind, context: "user", about }
}

/// The version of PostgreSQL whose catalog this is.
pub const SERVER_VERSION: &str = "15.0";

/// The settings, by name.
pub const SETTINGS: &[Setting] = &[
    free("DateStyle", "string", "ISO, MDY", "how dates are written"),
    free("IntervalStyle", "enum", "postgres", "how intervals are written"),
    free("TimeZone", "string", "UTC", "the zone of local days"),
    free("application_name", "string", "", "what the client calls itself"),
    free("array_nulls", "bool", "on", "whether NULL in the text of an array is null"),
    free("backslash_quote", "enum", "safe_encoding", "whether a backslash may stand before a quote"),
    fixed("block_size", "integer", "8192", "bytes of a page of PostgreSQL"),
    free("bytea_output", "enum", "hex", "how bytes are written as text"),
    free("check_function_bodies", "bool", "on", "nothing here"),
    free("client_encoding", "string", "UTF8", "the character set of texts"),
    free("client_min_messages", "enum", "notice", "which notices are sent"),
    fixed("data_checksums", "bool", "on", "whether files have checksums"),
    fixed("default_table_access_method", "string", "heap", "nothing here"),
    free("default_tablespace", "string", "", "nothing here"),
    free("default_transaction_deferrable", "bool", "off", "nothing here"),
    free("default_transaction_isolation", "enum", "read committed", "every statement sees one version"),
    free("default_transaction_read_only", "bool", "on", "statements only read"),
    free("enable_seqscan", "bool", "on", "nothing here"),
    free("escape_string_warning", "bool", "on", "nothing here"),
    free("extra_float_digits", "integer", "1", "numbers are written with all digits that they need"),
    free("geqo", "bool", "on", "nothing here"),
    free("idle_in_transaction_session_timeout", "integer", "0", "the server has a limit of its own"),
    fixed("in_hot_standby", "bool", "off", "whether the server follows another"),
    fixed("integer_datetimes", "bool", "on", "instants are whole numbers of microseconds"),
    fixed("is_superuser", "bool", "off", "whether the caller may do everything"),
    free("jit", "bool", "off", "nothing here"),
    fixed("lc_collate", "string", "C", "the order of texts: that of their bytes"),
    fixed("lc_ctype", "string", "C.UTF-8", "what letters are"),
    free("lc_messages", "string", "C", "the language of messages"),
    free("lc_monetary", "string", "C", "nothing here"),
    free("lc_numeric", "string", "C", "nothing here"),
    free("lc_time", "string", "C", "nothing here"),
    free("lock_timeout", "integer", "0", "nothing is locked"),
    fixed("max_connections", "integer", "100", "connections at once"),
    fixed("max_function_args", "integer", "100", "arguments of a function"),
    fixed("max_identifier_length", "integer", "63", "bytes of a name"),
    fixed("max_index_keys", "integer", "32", "columns of an index"),
    free("password_encryption", "enum", "scram-sha-256", "how passwords are kept"),
    free("quote_all_identifiers", "bool", "off", "nothing here"),
    free("role", "string", "none", "the role of the session"),
    free("row_security", "bool", "on", "nothing here"),
    free("search_path", "string", "\"$user\", public", "where names without a schema are looked up"),
    fixed("segment_size", "integer", "131072", "nothing here"),
    fixed("server_encoding", "string", "UTF8", "the character set of texts"),
    fixed("server_version", "string", SERVER_VERSION, "the version of PostgreSQL that this is like"),
    fixed("server_version_num", "integer", "150000", "the same as a number"),
    fixed("session_authorization", "string", "default", "who asks"),
    free("session_replication_role", "enum", "origin", "nothing here"),
    fixed("ssl", "bool", "off", "see the server's options"),
    free("standard_conforming_strings", "bool", "on", "a backslash in a text is a backslash"),
    free("statement_timeout", "integer", "0", "the server has a limit of its own"),
    free("synchronize_seqscans", "bool", "on", "nothing here"),
    free("synchronous_commit", "enum", "on", "nothing here"),
    free("transaction_deferrable", "bool", "off", "nothing here"),
    free("transaction_isolation", "enum", "read committed", "every statement sees one version"),
    free("transaction_read_only", "bool", "on", "statements only read"),
    fixed("wal_block_size", "integer", "8192", "nothing here"),
    fixed("wal_level", "enum", "replica", "nothing here"),
    free("work_mem", "integer", "4096", "the server has a limit of its own"),
    free("xmloption", "enum", "content", "nothing here"),
];

/// Names of SQL for settings.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("time zone", "timezone"),
    ("transaction isolation level", "transaction_isolation"),
    ("names", "client_encoding"),
];

/// Finds a setting by its name, in any case.
pub fn setting(name: &str) -> Option<&'static Setting> {
    let name = OTHER_NAMES.iter().find(|(other, _)| name.eq_ignore_ascii_case(other)).map_or(name, |(_, name)| name);
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}
