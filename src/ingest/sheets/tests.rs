//! Workbooks, part by part: what each kind of cell becomes, which sheet is read, and what is said of those that are not right.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::super::format_tests::{Outcome, options, read_with};
use super::super::{InputFormat, ReadOptions, replay};
use crate::error::Error;
use crate::zones::Tz;

/// Makes a zip of parts.
fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        let method = match *name {
            "mimetype" => zip::CompressionMethod::Stored,
            _ => zip::CompressionMethod::Deflated,
        };
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss.000"/>
    <numFmt numFmtId="165" formatCode="[h]:mm:ss"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>
    <cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="14"/></cellXfs></styleSheet>"#;

const STRINGS: &str = r#"<sst><si><t>Session Id</t></si><si><r><t>Started</t></r><r><rPr/><t xml:space="preserve"> At</t></r><rPh><t>x</t></rPh></si>
    <si/><si><t>a_x000D_&#10;b &amp; "c"</t></si></sst>"#;

/// A workbook of these sheets, each the rows between the tags of its data.
fn xlsx_of(sheets: &[(&str, &str)], workbook: &str) -> Vec<u8> {
    let links = |items: String| format!(r#"<Relationships xmlns="http://x">{items}</Relationships>"#);
    let listed: String = sheets
        .iter()
        .zip(1..)
        .map(|((name, _), id)| format!(r#"<sheet name="{name}" sheetId="{id}" r:id="rId{id}"/>"#))
        .collect();
    let mut items: String = (1..=sheets.len())
        .map(|id| {
            format!(r#"<Relationship Id="rId{id}" Type="http://x/worksheet" Target="worksheets/sheet{id}.xml"/>"#)
        })
        .collect();
    items.push_str(r#"<Relationship Id="a" Type="http://x/styles" Target="/xl/styles.xml"/><Relationship Id="b" Type="http://x/sharedStrings" Target="sharedStrings.xml"/>"#);
    let book = format!("<workbook>{workbook}<sheets>{listed}</sheets></workbook>");
    let root = links(r#"<Relationship Id="r" Type="http://x/officeDocument" Target="xl/workbook.xml"/>"#.to_owned());
    let links = links(items);
    let parts: Vec<(String, String)> = sheets
        .iter()
        .zip(1..)
        .map(|((_, rows), id)| {
            (
                format!("xl/worksheets/sheet{id}.xml"),
                format!("<worksheet><dimension ref=\"A1\"/><sheetData>{rows}</sheetData><x/></worksheet>"),
            )
        })
        .collect();
    let mut all = vec![("[Content_Types].xml", "<Types/>"), ("_rels/.rels", &root), ("xl/workbook.xml", &book)];
    all.extend([
        ("xl/_rels/workbook.xml.rels", links.as_str()),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", STRINGS),
    ]);
    all.extend(parts.iter().map(|(name, content)| (name.as_str(), content.as_str())));
    package(&all)
}

/// A row of texts.
fn texts(number: u32, cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|text| format!(r#"<c t="inlineStr"><is><t>{text}</t></is></c>"#)).collect();
    format!(r#"<row r="{number}">{cells}</row>"#)
}

const MIMETYPE: &str = "application/vnd.oasis.opendocument.spreadsheet";

fn ods_of(tables: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    );
    package(&[("mimetype", MIMETYPE), ("content.xml", &content), ("META-INF/manifest.xml", "<manifest:manifest/>")])
}

fn table(name: &str, rows: &str) -> String {
    format!(r#"<table:table table:name="{name}"><table:table-column/>{rows}</table:table>"#)
}

fn cells(texts: &[&str]) -> String {
    let cells: String = texts
        .iter()
        .map(|text| {
            format!(r#"<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#)
        })
        .collect();
    format!("<table:table-row>{cells}</table:table-row>")
}

#[test]
fn merged_cells_are_told_with_where_they_begin() {
    let rows = [
        texts(1, &["session_id", "started_at", "workflow_id", "other"]),
        texts(2, &["a", "2026-11-20", "w1"]),
        texts(3, &["b", "2026-11-20"]),
        texts(4, &["c", "2026-11-20", "w2"]),
    ];
    // The rows end within the data, and what is behind it is damaged in the second.
    let merged = r#"<mergeCell ref="A1:B1"/><mergeCell ref="C2:C3"/><mergeCell ref="F2:G3"/><mergeCell ref="C4:D4"/><mergeCell ref="C1:C1"/>"#;
    let book = |end: &str| format!("{}</sheetData><mergeCells>{merged}{end}<sheetData>", rows.concat());
    let told = r#"cells are merged, of which the file gives the value to the first alone and the others are null: 2 groups, at "workflow_id" in row 2, "workflow_id" in row 4"#;
    let read = read_with("x", &xlsx_of(&[("S", &book("</mergeCells>"))], ""), &options()).unwrap();
    assert_eq!(read.summary.notes, [told]);
    assert_eq!(read.texts("workflow_id"), [Some("w1"), None, Some("w2")]);
    let spanned = |span: &str, text: &str| {
        format!(r#"<table:table-cell {span} office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#)
    };
    let table = table(
        "S",
        &[
            cells(&["session_id", "started_at", "workflow_id"]),
            format!(
                "<table:table-row>{}{}{}</table:table-row>",
                spanned("", "a"),
                spanned("", "2026-11-20"),
                spanned(r#"table:number-columns-spanned="1" table:number-rows-spanned="2""#, "w1")
            ),
            "<table:table-row>".to_owned()
                + &spanned("", "b")
                + &spanned("", "2026-11-20")
                + "<table:covered-table-cell/></table:table-row>",
        ]
        .concat(),
    );
    let read = read_with("x", &ods_of(&table), &options()).unwrap();
    let told = r#"cells are merged, of which the file gives the value to the first alone and the others are null: 1 group, at "workflow_id" in row 2"#;
    assert_eq!(read.summary.notes, [told]);
}

/// A small workbook with three sessions.
pub(in crate::ingest) fn xlsx_sample() -> Vec<u8> {
    let rows = [
        r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>"#.to_owned(),
        r#"<row r="2"><c r="A2" t="s"><v>3</v></c><c r="B2" s="1"><v>46346.416666666664</v></c></row>"#.to_owned(),
        texts(3, &["b", "2026-11-20"]),
        texts(5, &["c", "2026-11-20T10:00:00Z"]),
    ];
    xlsx_of(&[("Sheet1", &rows.concat())], "")
}

/// A small spreadsheet with three sessions.
pub(in crate::ingest) fn ods_sample() -> Vec<u8> {
    let rows = [
        cells(&["Session Id", "Started At"]),
        cells(&["a", "2026-11-20"]),
        r#"<table:table-row table:number-rows-repeated="2"><table:table-cell office:value-type="float" office:value="5"/>
            <table:table-cell office:value-type="date" office:date-value="2026-11-20T10:00:00"/></table:table-row>"#
            .to_owned(),
    ];
    ods_of(&table("Sheet1", &rows.concat()))
}

fn read(bytes: &[u8], options: &ReadOptions) -> Outcome {
    read_with("a.xlsx", bytes, options).unwrap_or_else(|error| panic!("{error}: {:?}", error.hint()))
}

fn refused(bytes: &[u8], options: &ReadOptions) -> (String, String) {
    let error = read_with("a.xlsx", bytes, options).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

/// 2026-11-20T10:00:00Z.
const TEN_US: i64 = 1_795_168_800_000_000;

#[test]
fn cells_become_what_their_columns_want() {
    let rows = [
        texts(3, &["Session Id", "Started At", "Ended At", "Time in Workflow", "Workflow Id", "Data", "Version Id"]),
        r#"<row r="4"><c r="A4"><v>39112345678901237</v></c><c r="B4" s="1"><v>46346.416666666664</v></c>
            <c r="C4" t="d"><v>2026-11-20T10:05:02.4</v></c><c r="D4" s="2"><v>3.5E-3</v></c><c r="E4" t="e"><f>x</f><v>#NAME?</v></c>
            <c r="F4" t="str"><v>{"a":"_x0041_"}</v></c><c r="G4" t="b"><v>1</v></c></row>"#
            .to_owned(),
        // Cells without places, one out of order, one beside the table; a row of nothing.
        r#"<row><c t="s"><v>3</v></c><c s="3"><v>46346</v></c><c/><c><v>302.4</v></c></row><row r="6"><c r="B6" s="1"/><c r="A6" t="s"><v>2</v></c></row>"#
            .to_owned(),
        r#"<row r="9"><c r="B9"><v>1795168800</v></c><c r="A9" t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c><c r="J9"><v>1</v></c></row>"#
            .to_owned(),
    ];
    let bytes = xlsx_of(&[("Sheet1", &rows.concat())], "");
    let berlin = ReadOptions { time_zone: Tz::named("Europe/Berlin").unwrap(), ..options() };
    let outcome = read(&bytes, &berlin);
    assert_eq!(outcome.faults(), []);
    assert_eq!(outcome.texts("session_id"), [Some("39112345678901237"), Some("a\r\nb & \"c\""), Some("inline")]);
    let hour = 3_600_000_000;
    let midnight = TEN_US - 11 * hour;
    assert_eq!(outcome.times("started_at"), [Some(TEN_US - hour), Some(midnight), Some(TEN_US)]);
    assert_eq!(outcome.times("ended_at"), [Some(TEN_US - hour + 302_400_000), None, None]);
    assert_eq!(outcome.seconds(), [Some(302.4), Some(302.4), None]);
    assert_eq!(outcome.texts("workflow_id"), [None; 3]);
    assert_eq!(outcome.texts("data"), [Some(r#"{"a":"A"}"#), None, None]);
    assert_eq!(outcome.texts("version_id"), [Some("true"), None, None]);
    let notes = outcome.summary.notes.join("\n");
    assert!(notes.contains(r#"or a formula that was not computed, are null: "Workflow Id" (1)"#), "{notes}");
    assert!(notes.contains(r#"numbers of more than 15 digits"#) && notes.contains(r#""Session Id" (1)"#), "{notes}");
    assert!(notes.contains("cells in columns without a header are left out: 1"), "{notes}");
}

#[test]
fn days_since_1904_are_other_days_and_lengths_of_time_are_not() {
    let rows = [
        texts(1, &["id", "started_at", "time_in_workflow"]),
        r#"<row r="2"><c t="str"><v>a</v></c><c s="1"><v>44884.41666666667</v></c><c s="2"><v>1.5</v></c></row>"#
            .to_owned(),
    ];
    let outcome = read(&xlsx_of(&[("S", &rows.concat())], r#"<workbookPr date1904="1"/>"#), &options());
    assert_eq!((outcome.times("started_at"), outcome.seconds()), (vec![Some(TEN_US)], vec![Some(129_600.0)]));
}

#[test]
fn cells_of_an_open_document_are_read_with_their_repeats() {
    let rows = [
        "<table:table-row table:number-rows-repeated=\"2\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>".to_owned(),
        cells(&["Session Id", "Started At", "Ended At", "Time in Workflow", "Variables Category"]),
        r#"<table:table-row><table:table-cell office:value-type="float" office:value="39112345678901237"><text:p>3.9E+16</text:p></table:table-cell>
            <table:table-cell table:number-columns-repeated="2" office:value-type="date" office:date-value="2026-11-20T10:00:00.000000954"><text:p>x</text:p></table:table-cell>
            <table:table-cell office:value-type="time" office:time-value="PT00H05M02.4S"/>
            <table:table-cell office:value-type="string" calcext:value-type="string"><office:annotation><text:p>no</text:p></office:annotation>
            <text:p>a<text:s text:c="2"/>b<text:tab/><text:span>c</text:span></text:p><text:p>d&amp;</text:p></table:table-cell></table:table-row>"#
            .to_owned(),
        r#"<table:table-row table:number-rows-repeated="2"><table:table-cell office:value-type="string"><text:p>b</text:p></table:table-cell>
            <table:table-cell office:value-type="date" office:date-value="2026-11-20"/><table:covered-table-cell/>
            <table:table-cell office:value-type="float" office:value="0.5"/>
            <table:table-cell office:value-type="string" office:string-value="" calcext:value-type="error"><text:p>#NAME?</text:p></table:table-cell></table:table-row>"#
            .to_owned(),
        "<table:table-row table:number-rows-repeated=\"1048000\"><table:table-cell/></table:table-row>".to_owned(),
    ];
    let outcome = read(&ods_of(&table("S", &rows.concat())), &options());
    assert_eq!(outcome.faults(), []);
    assert_eq!(outcome.texts("session_id"), [Some("39112345678901237"), Some("b"), Some("b")]);
    let midnight = TEN_US - 36_000_000_000;
    assert_eq!(outcome.times("started_at"), [Some(TEN_US + 1), Some(midnight), Some(midnight)]);
    assert_eq!(outcome.times("ended_at"), [Some(TEN_US + 1), None, None]);
    assert_eq!(outcome.seconds(), [Some(302.4), Some(0.5), Some(0.5)]);
    assert_eq!(outcome.texts("variables_category"), [Some("a  b\tc\nd&"), None, None]);
}

#[test]
fn the_first_sheet_that_names_columns_is_read_and_the_others_are_told() {
    let one = [texts(2, &["Session Id", "Started At"]), texts(3, &["a", "2026-11-20"])].concat();
    let two =
        [texts(1, &["id", "started_at"]), texts(2, &["b", "2026-11-20"]), texts(4, &["c", "2026-11-20"])].concat();
    let cover = texts(1, &["Report of November", "Id"]);
    let sheets = [("Cover", cover.as_str()), ("One &amp; only", &one), ("2", ""), ("Zwei", &two)];
    let ods: String = [
        table("Cover", &cells(&["Report of November", "Id"])),
        table("One &amp; only", &[cells(&["Session Id", "Started At"]), cells(&["a", "2026-11-20"])].concat()),
        table("2", ""),
        table(
            "Zwei",
            &[cells(&["id", "started_at"]), cells(&["b", "2026-11-20"]), cells(&["c", "2026-11-20"])].concat(),
        ),
        table("'file:///x.ods'#$Sheet1", &cells(&["x"])),
    ]
    .concat();
    for bytes in [xlsx_of(&sheets, ""), ods_of(&ods)] {
        let outcome = read(&bytes, &options());
        assert_eq!(outcome.texts("session_id"), [Some("a")]);
        let note =
            r#"sheet "One & only" is read; left out: "Cover" (1 row), "Zwei" (3 rows); ⟨sheet⟩ NAME reads another"#;
        assert_eq!(outcome.summary.notes, [note]);
        for wanted in ["Zwei", "zwei ", "4"] {
            let outcome = read(&bytes, &ReadOptions { sheet: Some(wanted.to_owned()), ..options() });
            assert_eq!(outcome.texts("session_id"), [Some("b"), Some("c")], "{wanted}");
        }
        let sheet = |name: &str| ReadOptions { sheet: Some(name.to_owned()), ..options() };
        let (message, hint) = refused(&bytes, &sheet("Drei"));
        assert_eq!(message, r#"a.xlsx: has no sheet "Drei""#);
        assert_eq!(hint, r#"its sheets are "Cover", "One & only", "2", "Zwei""#);
        assert_eq!(refused(&bytes, &sheet("2")).0, r#"a.xlsx: sheet "2" has no rows"#);
        let (message, _) = refused(&bytes, &sheet("Cover"));
        assert!(message.starts_with("a.xlsx:1: no column for started_at"), "{message}");
    }
    assert_eq!(refused(&xlsx_of(&[("S", "")], ""), &options()).0, "a.xlsx: the workbook has no rows");
}

#[test]
fn the_header_is_found_or_declared_and_rows_have_the_numbers_of_the_sheet() {
    let rows = [
        texts(2, &["id", "Started At", "as of today"]),
        texts(4, &["Session Id", "Started At"]),
        texts(6, &["a", "soon"]),
    ]
    .concat();
    let bytes = xlsx_of(&[("S", &rows)], "");
    let mut skipping = options();
    skipping.declared.skip_lines = 3;
    let outcome = read(&bytes, &skipping);
    assert_eq!(outcome.faults(), [(Some(6), None, Some("started_at"), "\"soon\" is not a date and time")]);
    assert_eq!(outcome.rejects[0].raw, br#"["a","soon"]"#);
    let again = replay(&outcome.contexts[0], br#"["a","2026-11-20"]"#, &options()).unwrap();
    assert_eq!(again.rows.num_rows(), 1);
    assert_eq!(read(&bytes, &options()).rejects.len(), 2, "the row that looks like a header is one");
    let mut named = options();
    named.declared.skip_lines = 4;
    named.declared.columns = vec!["session_id".to_owned(), "started_at".to_owned()];
    named.declared.nulls = vec!["soon".to_owned()];
    assert_eq!(read(&bytes, &named).faults(), [(Some(6), None, Some("started_at"), "no started at")]);
    let (message, hint) = refused(&xlsx_of(&[("T", ""), ("S", &texts(8, &["x", "y"]))], ""), &options());
    assert_eq!(message, r#"a.xlsx:8: no row of sheet "S" names columns; its first is "x", "y""#);
    assert!(hint.contains("⟨columns⟩") && hint.contains("⟨sheet⟩"), "{hint}");
    let (message, _) = refused(&xlsx_of(&[("S", &texts(7, &["Session Id", "x"]))], ""), &options());
    assert!(message.starts_with("a.xlsx:7: no column for started_at"), "{message}");
}

#[test]
fn a_formula_without_a_value_is_told() {
    let formula = "<row r=\"2\"><c t=\"str\"><v>a</v></c><c t=\"str\"><v>2026-11-20</v></c><c><f>NOW()</f><v></v></c><c><f>1+1</f></c></row>";
    let empty = "<row r=\"3\"><c t=\"str\"><v>b</v></c><c t=\"str\"><v>2026-11-20</v></c><c t=\"str\"><f>\"\"</f><v></v></c><c/></row>";
    let rows =
        [texts(1, &["id", "started_at", "ended_at", "version_id"]), formula.to_owned(), empty.to_owned()].concat();
    let outcome = read(&xlsx_of(&[("S", &rows)], ""), &options());
    let said = "\"a formula that was not computed\" is not a date and time";
    assert_eq!(outcome.faults(), [(Some(2), None, Some("ended_at"), said)]);
    assert_eq!(outcome.times("ended_at"), [None]);
    assert_eq!(outcome.summary.notes.len(), 1, "{:?}", outcome.summary.notes);
    let rows = [
        cells(&["id", "started_at", "version_id"]),
        r#"<table:table-row><table:table-cell office:value-type="string"><text:p>a</text:p></table:table-cell>
            <table:table-cell office:value-type="date" office:date-value="2026-11-20"/><table:table-cell table:formula="of:=1+1"/></table:table-row>"#
            .to_owned(),
    ];
    let outcome = read(&ods_of(&table("S", &rows.concat())), &options());
    assert!(outcome.summary.notes[0].ends_with("or a formula that was not computed, are null: \"version_id\" (1)"));
}

#[test]
fn a_text_that_some_programs_write_for_null_is_told() {
    let rows = [
        texts(1, &["id", "started_at", "version_id"]),
        texts(2, &["a", "2026-11-20", "NULL"]),
        texts(3, &["b", "2026-11-20", "7"]),
    ];
    let bytes = xlsx_of(&[("S", &rows.concat())], "");
    let outcome = read(&bytes, &options());
    assert_eq!(outcome.warnings.get(&super::super::Warning::NullMark), Some(&1));
    let mut declared = options();
    declared.declared.nulls = vec!["NULL".to_owned()];
    let outcome = read(&bytes, &declared);
    assert_eq!((outcome.texts("version_id"), outcome.warnings.len()), (vec![None, Some("7")], 0));
}

#[test]
fn what_is_no_workbook_is_named() {
    let docx = package(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", "<x/>")]);
    assert_eq!(refused(&docx, &options()).0, "a.xlsx: is a Word document, which is not read");
    let xlsb = package(&[("[Content_Types].xml", "<Types/>"), ("xl/workbook.bin", "x")]);
    assert!(refused(&xlsb, &options()).1.starts_with("save it as .xlsx"));
    let text = package(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", "<x/>")]);
    assert!(refused(&text, &options()).0.contains("an OpenDocument file that is no spreadsheet"));
    let (message, _) = refused(&package(&[("a.csv", "x")]), &options());
    assert!(message.contains("is a zip archive"), "{message}");
    let other = ReadOptions { format: Some(InputFormat::Ods), ..options() };
    assert_eq!(refused(&xlsx_sample(), &other).1, "leave out ⟨input-format⟩");
    assert_eq!(refused(b"id,started_at\n", &options()).0, "a.xlsx: not an XLSX workbook: it starts as text does");
    let encrypted = package(&[
        ("mimetype", MIMETYPE),
        ("content.xml", "x"),
        ("META-INF/manifest.xml", "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"),
    ]);
    assert_eq!(refused(&encrypted, &options()).0, "a.xlsx: is a workbook with a password, and none are taken here");
    // The container of older programs: a header, and the list of streams in its second sector.
    for (stream, said) in
        [("EncryptedPackage", "with a password"), ("Workbook", "of the old kind (.xls)"), ("x", "older office program")]
    {
        let mut container = vec![0; 1536];
        container[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
        container[30] = 9;
        container[48] = 1;
        for (at, unit) in stream.encode_utf16().enumerate() {
            container[1024 + 2 * at..][..2].copy_from_slice(&unit.to_le_bytes());
        }
        let (message, hint) = refused(&container, &options());
        assert!(message.contains(said) && hint.contains("save it"), "{message} {hint}");
    }
}

#[test]
fn what_is_too_large_or_broken_is_refused_and_a_long_row_costs_itself() {
    let long = "x".repeat(3000);
    let rows =
        [texts(1, &["id", "started_at"]), texts(2, &[&long, "2026-11-20"]), texts(3, &["b", "2026-11-20"])].concat();
    let outcome = read(&xlsx_of(&[("S", &rows)], ""), &ReadOptions { max_record_bytes: 1000, ..options() });
    assert_eq!((outcome.texts("session_id"), outcome.rejects.len()), (vec![Some("b")], 1));
    assert!(outcome.rejects[0].reason.contains("more than a record may have"));
    let wide = format!("{}<row r=\"2\"><c r=\"ZZZZ2\"><v>1</v></c></row>", texts(1, &["id", "started_at"]));
    assert!(
        read_with("a", &xlsx_of(&[("S", &wide)], ""), &options())
            .unwrap_err()
            .to_string()
            .contains("row 2 has more cells")
    );
    let missing = format!("{}<row r=\"2\"><c t=\"s\"><v>99</v></c></row>", texts(1, &["id", "started_at"]));
    assert!(
        read_with("a", &xlsx_of(&[("S", &missing)], ""), &options())
            .unwrap_err()
            .to_string()
            .contains("no shared text")
    );
    let mut bytes = xlsx_sample();
    bytes.truncate(bytes.len() - 10);
    assert!(refused(&bytes, &options()).0.contains("broken zip"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_parts_are_survived(place in any::<prop::sample::Index>(), text in "[<>/\"= a-z0-9&;:]{0,12}", cut in 0..20_usize, ods in any::<bool>()) {
        let whole = match ods {
            true => table("S", &[cells(&["id", "started_at"]), cells(&["a", "2026-11-20"])].concat()),
            false => [texts(1, &["id", "started_at"]), texts(2, &["a", "2026-11-20"])].concat(),
        };
        let at = place.index(whole.len());
        let end = (at + cut).min(whole.len());
        let damaged = format!("{}{text}{}", &whole[..at], &whole[end..]);
        let bytes = if ods { ods_of(&damaged) } else { xlsx_of(&[("S", &damaged)], "") };
        if let Err(error) = read_with("a", &bytes, &options()) {
            prop_assert!(matches!(error, Error::Input { .. }), "{error}");
        }
    }
}
