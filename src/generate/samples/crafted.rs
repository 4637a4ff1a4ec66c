//! Samples that are written by hand: good exports in unusual dress, and exports that are broken in one way each.
//!
//! Each file is small enough to be read at a glance, and has good rows around the bad ones.

/// A file name and its bytes.
type Sample = (&'static str, Vec<u8>);

const HEADER: &str = "Session Id,Started At,Ended At,Communication Type,Time in Workflow,Data\n";
const GOOD_1: &str = "028d0111190000000000000001,2026-11-19T14:00:00Z,2026-11-19T14:02:30Z,Phone,150,\"{\"\"source\"\":{\"\"phoneNumber\"\":\"\"+12025550143\"\"}}\"\n";
const GOOD_2: &str = "028d0111190000000000000002,2026-11-19T15:30:00.250Z,2026-11-19T15:31:00.750Z,Email,60.5,{}\n";
const GOOD_3: &str = "028d0111200000000000000003,2026-11-20T09:15:00Z,,Messaging,53100,{}\n";

/// Returns CSV of the usual columns: two good rows, the given lines, one good row.
fn csv(lines: &str) -> Vec<u8> {
    [HEADER, GOOD_1, GOOD_2, lines, GOOD_3].concat().into_bytes()
}

fn utf16_little_endian(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Encodes text in Windows code page 1252, of which only what the samples need is known.
fn cp1252(text: &str) -> Vec<u8> {
    text.chars().map(|character| if character == '€' { 0x80 } else { u8::try_from(character).unwrap() }).collect()
}

/// Compresses without compressing: stored blocks, so that the bytes do not depend on the compressor.
fn gzip_stored(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Lists exports that are good but look unlike the usual ones.
pub(super) fn unusual() -> Vec<Sample> {
    let accents = "028d0111190000000000000004,2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone,60,\"{\"\"details\"\":{\"\"firstName\"\":\"\"Zoë\"\",\"\"city\"\":\"\"Montréal\"\"},\"\"variables\"\":{\"\"price\"\":\"\"12 €\"\"}}\"\n";
    let with_accents = [HEADER, GOOD_1, GOOD_2, accents, GOOD_3].concat();
    vec![
        (
            "headers_pascal.csv",
            "SessionId,WorkflowId,VersionId,StartedAt,EndedAt,CommunicationType,CurrentWorkflowItemId,TimeInWorkflow,ActionData,SourceDetailsPhoneNumber,SourceDetails,VariablesCategory,VariablesSubCategory,Data\n\
             028d0111190000000000000001,025d0101150000000000000001,026d0110200000000000000001,2026-11-19T14:00:00Z,2026-11-19T14:02:30Z,Phone,027d0101150000000000000009,150,end,+12025550143,\"{\"\"phoneNumber\"\":\"\"+12025550143\"\"}\",billing,refund,\"{\"\"source\"\":{\"\"phoneNumber\"\":\"\"+12025550143\"\"}}\"\n\
             028d0111190000000000000002,025d0101150000000000000001,026d0110200000000000000001,2026-11-19T15:30:00.250Z,2026-11-19T15:31:00.750Z,Email,027d0101150000000000000008,60.5,createInteraction,,\"{\"\"channel\"\":\"\"email\"\"}\",billing,,{}\n"
                .into(),
        ),
        (
            "headers_upper.csv",
            "ACCOUNT_ID,WORKFLOWSESSION_ID,WORKFLOWSESSION_WORKFLOWID,WORKFLOWSESSION_WORKFLOWVERSIONID,WORKFLOWSESSION_STARTTIME,WORKFLOWSESSION_ENDTIME,WORKFLOWSESSION_DURATION_MS,WORKFLOWSESSION_COMMTYPE,WORKFLOWSESSION_CURRENTWORKFLOWITEMID,WORKFLOWSESSION_ACTIONDATA,WORKFLOWSESSION_DATA_SOURCE,COMMIT_TS\n\
             001d0101010000000000000001,028d0111190000000000000001,025d0101150000000000000001,026d0110200000000000000001,2026-11-19T14:00:00Z,2026-11-19T14:02:30Z,150000,voice,027d0101150000000000000009,\"{\"\"action\"\":\"\"end\"\"}\",\"{\"\"phoneNumber\"\":\"\"+12025550143\"\"}\",2026-11-19T14:05:00.120Z\n\
             001d0101010000000000000001,028d0111190000000000000002,025d0101150000000000000001,026d0110200000000000000001,2026-11-19T15:30:00.250Z,2026-11-19T15:31:00.750Z,60500,text,027d0101150000000000000008,\"\"\"createInteraction\"\"\",null,2026-11-19T15:35:00.000Z\n\
             001d0101010000000000000001,028d0111190000000000000002,025d0101150000000000000001,026d0110200000000000000001,2026-11-19T15:30:00.250Z,,30000,text,027d0101150000000000000003,,null,2026-11-19T15:30:31.000Z\n"
                .into(),
        ),
        (
            "extra_columns.csv",
            "Session Id,Started At,Queue Name,Agent\n\
             028d0111190000000000000001,2026-11-19T14:00:00Z,Billing,Ana\n\
             028d0111190000000000000002,2026-11-19T15:30:00Z,,\"Jo, senior\"\n"
                .into(),
        ),
        ("bom_crlf.csv", format!("\u{feff}{}", [HEADER, GOOD_1, GOOD_2, GOOD_3].concat()).replace('\n', "\r\n").into()),
        (
            "newlines_in_quotes.csv",
            "Session Id,Started At,Variables - Category,Variables - Sub Category\n\
             028d0111190000000000000001,2026-11-19T14:00:00Z,\"two\nlines\",\"a \"\"quoted\"\" word, and a comma\"\n\
             028d0111190000000000000002,2026-11-19T15:30:00Z,\"\",\"\r\n\"\n"
                .into(),
        ),
        ("utf16.csv", utf16_little_endian(&with_accents)),
        ("cp1252.csv", cp1252(&with_accents)),
        (
            "local_times.csv",
            "Session Id,Started At,Ended At\n\
             028d0103080000000000000001,2026-03-08 01:30:00,2026-03-08 03:15:00\n\
             028d0103080000000000000002,2026-03-08 02:30:00,2026-03-08 03:15:00\n\
             028d0111010000000000000003,2026-11-01 00:30:00,2026-11-01 02:30:00\n\
             028d0111010000000000000004,2026-11-01 01:30:00,2026-11-01 02:30:00\n\
             028d0111010000000000000005,2026-11-01T01:30:00-05:00,2026-11-01T06:45:00Z\n"
                .into(),
        ),
        (
            "dates_and_numbers.csv",
            "Session Id,Started At,Ended At,Time in Workflow,Action Data,Data\n\
             028d0111190000000000000001,2026-11-19,2026-11-20,8.64e4,end,null\n\
             028d0111190000000000000002,2026-11-19T14:00:00.5Z,2026-11-19T14:00:00.500001Z,1e-6,null,{}\n\
             028d0111190000000000000003,2026-11-19T14:00:00+05:30,,,,\n"
                .into(),
        ),
        (
            "unix_times.ndjson",
            "{\"id\":\"028d0111190000000000000001\",\"startTime\":1795096800,\"endTime\":1795096950.25,\"commType\":\"phone\",\"data\":{\"source\":{\"phoneNumber\":\"+12025550143\"}}}\n\
             {\"id\":\"028d0111190000000000000002\",\"startTime\":1795096800000,\"endTime\":null,\"commType\":\"messaging\",\"data\":\"{\\\"source\\\":\\\"api\\\"}\",\"sourceDetails\":{\"phoneNumber\":\"+12025550143\"}}\n\
             {\"id\":\"028d0111190000000000000003\",\"startTime\":\"2026-11-19T14:00:00Z\",\"data\":null}\n"
                .into(),
        ),
    ]
}

/// Lists exports that are broken.
pub(super) fn broken() -> Vec<Sample> {
    let long_data = format!(
        "028d0111190000000000000005,2026-11-19T17:00:00Z,2026-11-19T17:01:00Z,Phone,60,\"{{\"\"note\"\":\"\"{}\"\"}}\"\n",
        "long ".repeat(1000)
    );
    let depth = 5_000;
    let deep = format!(
        "{{\"sessionId\":\"028d0111190000000000000001\",\"startedAt\":\"2026-11-19T14:00:00Z\",\"data\":{}{}}}\n{{\"sessionId\":\"028d0111190000000000000002\",\"startedAt\":\"2026-11-19T15:30:00Z\",\"data\":{{}}}}\n",
        "[".repeat(depth),
        "]".repeat(depth)
    );
    let whole = csv("");
    let gzip = gzip_stored(&whole);
    vec![
        (
            "missing_session_id.csv",
            csv(",2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone,60,{}\n\"\",2026-11-19T16:05:00Z,,Phone,,\n"),
        ),
        (
            "unreadable_values.csv",
            csv("028d0111190000000000000011,yesterday,,Phone,60,{}\n\
                 028d0111190000000000000012,2026-13-40T00:00:00Z,,Phone,60,{}\n\
                 028d0111190000000000000013,,,Phone,60,{}\n\
                 028d0111190000000000000014,2026-11-19T16:00:00Z,soon,Phone,60,{}\n\
                 028d0111190000000000000015,2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone,a minute,{}\n"),
        ),
        (
            "wrong_field_count.csv",
            csv("028d0111190000000000000011,2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone\n\
                 028d0111190000000000000012,2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone,60,{},one,two\n"),
        ),
        (
            "unclosed_quote.csv",
            csv("028d0111190000000000000011,2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone,60,\"{never closed\n"),
        ),
        ("invalid_utf8.csv", {
            let mut bytes = csv("028d0111190000000000000011,2026-11-19T16:00:00Z,2026-11-19T16:01:00Z,Phone,60,@@\n");
            for byte in bytes.iter_mut().filter(|byte| **byte == b'@') {
                *byte = 0xff;
            }
            bytes
        }),
        ("oversized_record.csv", csv(&long_data)),
        (
            "no_session_id_column.csv",
            b"Call,Started At,Ended At\n1,2026-11-19T14:00:00Z,2026-11-19T14:02:30Z\n".to_vec(),
        ),
        (
            "duplicate_headers.csv",
            b"Session Id,sessionId,Started At\n028d0111190000000000000001,028d0111190000000000000002,2026-11-19T14:00:00Z\n"
                .to_vec(),
        ),
        ("truncated.csv.gz", gzip[..gzip.len() - 60].to_vec()),
        ("not_gzip.csv.gz", whole.clone()),
        // A length of the footer that is more than the file has.
        ("bad_footer.parquet", b"PAR1\x15\x04\x15\x00\x15\x00L\x15\x00\x15\x00\x00\x00\xff\xff\xff\x7fPAR1".to_vec()),
        ("no_footer.parquet", b"PAR1\x15\x04\x15\x00\x15\x00L\x15\x00\x15\x00\x00".to_vec()),
        (
            "broken_lines.ndjson",
            "{\"sessionId\":\"028d0111190000000000000001\",\"startedAt\":\"2026-11-19T14:00:00Z\",\"data\":{}}\n\
             not json\n\
             {\"sessionId\":\"028d0111190000000000000002\",\"startedAt\":\"2026-11-19T15:\n\
             [\"028d0111190000000000000003\",\"2026-11-19T15:30:00Z\"]\n\
             42\n\
             \n\
             {\"startedAt\":\"2026-11-19T15:30:00Z\"}\n\
             {\"sessionId\":{\"hex\":\"028d\"},\"startedAt\":\"2026-11-19T15:30:00Z\",\"data\":{\"a\":tru}}\n\
             {\"sessionId\":\"028d0111200000000000000004\",\"startedAt\":\"2026-11-20T09:15:00Z\",\"data\":\"\\ud800\"}\n\
             {\"sessionId\":\"028d0111200000000000000005\",\"startedAt\":\"2026-11-20T09:15:00Z\"}"
                .into(),
        ),
        ("deep_nesting.ndjson", deep.into()),
        (
            "cut_off.json",
            "[\n{\"sessionId\":\"028d0111190000000000000001\",\"startedAt\":\"2026-11-19T14:00:00Z\"},\n{\"sessionId\":\"028d0111190000000000000002\",\"startedAt\":\"2026-11"
                .into(),
        ),
        (
            "bad_records.pages.json",
            "{\"columnHeaders\":[{\"name\":\"WORKFLOWSESSION_ID\",\"type\":\"string\"},{\"name\":\"WORKFLOWSESSION_STARTTIME\",\"type\":\"datetime\"}],\"records\":[[\"028d0111190000000000000001\",\"2026-11-19T14:00:00Z\"],[\"028d0111190000000000000002\"],[\"028d0111190000000000000003\",\"2026-11-19T15:30:00Z\",\"more\"],{\"id\":1},[\"\",\"2026-11-19T15:30:00Z\"],[\"028d0111200000000000000004\",\"2026-11-20T09:15:00Z\"]],\"pagination\":{\"pageSize\":200,\"prevPageToken\":\"\",\"nextPageToken\":\"\"},\"links\":{\"prev\":\"\",\"next\":\"\"}}\n"
                .into(),
        ),
        ("binary.csv", (0_u16..512).map(|index| ((index * 73) ^ (index >> 3)) as u8).collect()),
    ]
}
