//! What to write in place of functions that PostgreSQL has and we have not.
//!
//! A name that is not known is mostly misspelt; these are known to people who come from PostgreSQL, and a name that looks like them would
//! lead astray.

/// The functions, by name, with what to write. `…` are their arguments.
const INSTEAD: &[(&str, &str)] = &[
    ("acosd", "write degrees(acos(x))"),
    ("any_value", "write first_value(x), or max(x)"),
    ("array_fill", "write array_repeat(value, count)"),
    ("array_lower", "lists begin at 1"),
    ("array_upper", "write array_length(list)"),
    ("asind", "write degrees(asin(x))"),
    ("atan2d", "write degrees(atan2(y, x))"),
    ("atand", "write degrees(atan(x))"),
    ("clock_timestamp", "write now(), which is the same instant in the whole run"),
    ("cosd", "write cos(radians(x))"),
    ("cotd", "write cot(radians(x))"),
    ("cume_dist", "write cume_dist() over (order by …)"),
    ("div", "write trunc(a / b), or a / b of integers"),
    ("every", "write bool_and(condition)"),
    ("format", "put texts together with || or concat(…)"),
    ("generate_subscripts", "write generate_series(1, array_length(list))"),
    ("get_byte", "write encode(bytes, 'hex') and take two digits with substr"),
    ("isfinite", "every date and instant is finite here"),
    ("json_agg", "write array_agg(x); ⟨format⟩ json writes lists as JSON"),
    ("json_array_elements", "write unnest(json_get_array(data, 'key'))"),
    (
        "json_array_elements_text",
        "write unnest(json_get_array(data, 'key')); json_as_text(element) takes the quotes off",
    ),
    ("json_array_length", "write json_length(json)"),
    ("json_build_array", "write make_array(…); ⟨format⟩ json writes lists as JSON"),
    ("json_build_object", "write named_struct('key', value, …); ⟨format⟩ json writes structs as JSON"),
    ("json_each", "write unnest(json_object_keys(data)), and take the values with json_as_text(data, key)"),
    ("json_each_text", "write unnest(json_object_keys(data)), and take the values with json_as_text(data, key)"),
    ("json_extract_path", "write data #> '{a,b}', or json_get_json(data, 'a', 'b')"),
    ("json_extract_path_text", "write data #>> '{a,b}', or json_as_text(data, 'a', 'b')"),
    ("json_object", "write named_struct('key', value, …); ⟨format⟩ json writes structs as JSON"),
    ("json_object_agg", "write array_agg(named_struct('key', key, 'value', value))"),
    (
        "json_typeof",
        "json_length is of arrays and objects only, json_get_str of strings, json_get_float of numbers, json_get_bool of bools",
    ),
    ("jsonb_path_exists", "write json_exists(data, path), with a path of RFC 9535"),
    ("jsonb_path_query", "write json_query(data, path), with a path of RFC 9535"),
    ("jsonb_path_query_first", "write json_value(data, path), with a path of RFC 9535"),
    ("localtime", "write current_time"),
    ("localtimestamp", "write now()::timestamp"),
    ("make_interval", "write interval '1 day', or n * interval '1 day'"),
    ("make_timestamp", "write make_date(year, month, day) + make_time(hour, minute, second)"),
    ("make_timestamptz", "write (make_date(year, month, day) + make_time(hour, minute, second))::timestamptz"),
    ("min_scale", "decimals have the scale of their type"),
    ("num_nonnulls", "write (a is not null)::int + (b is not null)::int"),
    ("num_nulls", "write (a is null)::int + (b is null)::int"),
    ("parse_ident", "write string_to_array(name, '.')"),
    ("pg_typeof", "write arrow_typeof(x)"),
    ("quote_ident", "write '\"' || replace(x, '\"', '\"\"') || '\"'"),
    ("quote_literal", "write '''' || replace(x, '''', '''''') || ''''"),
    ("quote_nullable", "write '''' || replace(x, '''', '''''') || ''''"),
    (
        "regexp_matches",
        "write regexp_match(text, pattern), which is of the first match, or regexp_count(text, pattern)",
    ),
    ("regexp_split_to_array", "write string_to_array(regexp_replace(text, pattern, ',', 'g'), ',')"),
    ("regexp_split_to_table", "write unnest(string_to_array(regexp_replace(text, pattern, ',', 'g'), ','))"),
    ("regexp_substr", "write regexp_match(text, pattern)[1]"),
    ("row_to_json", "write named_struct('key', value, …); ⟨format⟩ json writes structs as JSON"),
    ("scale", "decimals have the scale of their type"),
    (
        "setseed",
        "random() cannot be made the same again; md5(session_id) < '8' takes half of the sessions, always the same",
    ),
    ("sind", "write sin(radians(x))"),
    ("statement_timestamp", "write now(), which is the same instant in the whole run"),
    ("string_to_table", "write unnest(string_to_array(text, separator))"),
    ("tand", "write tan(radians(x))"),
    ("timeofday", "write now()::text"),
    ("to_ascii", "write regexp_replace(text, '[^\\x00-\\x7f]', '', 'g')"),
    ("to_json", "⟨format⟩ json writes lists and structs as JSON"),
    ("to_number", "write regexp_replace(text, '[^0-9.-]', '', 'g')::double precision"),
    ("transaction_timestamp", "write now(), which is the same instant in the whole run"),
    ("trim_array", "write array_slice(list, 1, -3) to leave out the last two"),
    ("trim_scale", "decimals have the scale of their type"),
    ("unistr", "write E'\\u00e4', or chr(code)"),
    ("width_bucket", "write floor((x - low) / (high - low) * count)::int + 1 within the bounds"),
];

/// Returns what to write in place of a function of PostgreSQL's; `None` for any other name.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let found = |name: &str| INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, hint)| *hint);
    // jsonb is text here as json is.
    found(&name).or_else(|| found(&name.replacen("jsonb_", "json_", 1)))
}
