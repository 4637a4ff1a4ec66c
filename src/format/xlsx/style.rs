//! The looks of cells, and the parts of a workbook that are the same in all.

use std::fmt::Write;

/// How a cell is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    General,
    Header,
    /// Numbers without a fraction, all digits shown.
    Whole,
    Text,
    Date,
    Instant,
    InstantParts,
    Time,
    TimeParts,
    Duration,
    DurationParts,
    /// Text that runs over several lines.
    Wrapped,
    /// Numbers with as many decimals, 1 to 15.
    Decimals(u8),
}

/// The number formats of the styles, in the order of their index. Excel knows 0, 1 and 49 by itself.
const FORMATS: [(Style, u16, &str); 12] = [
    (Style::General, 0, ""),
    (Style::Header, 49, ""),
    (Style::Whole, 1, ""),
    (Style::Text, 49, ""),
    (Style::Date, 164, "yyyy-mm-dd"),
    (Style::Instant, 165, "yyyy-mm-dd hh:mm:ss"),
    (Style::InstantParts, 166, "yyyy-mm-dd hh:mm:ss.000"),
    (Style::Time, 167, "hh:mm:ss"),
    (Style::TimeParts, 168, "hh:mm:ss.000"),
    (Style::Duration, 169, "[h]:mm:ss"),
    (Style::DurationParts, 170, "[h]:mm:ss.000"),
    (Style::Wrapped, 49, ""),
];

const MOST_DECIMALS: u8 = 15;

impl Style {
    /// Returns the style of decimals of a scale.
    pub(super) fn decimals(scale: i8) -> Self {
        match u8::try_from(scale) {
            Ok(0) | Err(_) => Self::Whole,
            Ok(scale) => Self::Decimals(scale.min(MOST_DECIMALS)),
        }
    }

    /// Returns the index that cells refer to the style by.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Decimals(scale) => FORMATS.len() + usize::from(scale) - 1,
            other => FORMATS.iter().position(|(style, _, _)| *style == other).unwrap_or(0),
        }
    }
}

/// Returns `styles.xml`.
pub(super) fn styles() -> String {
    let mut formats = String::new();
    let mut cells = String::new();
    for (style, id, code) in FORMATS {
        if !code.is_empty() {
            let _ = write!(formats, r#"<numFmt numFmtId="{id}" formatCode="{code}"/>"#);
        }
        let font = u8::from(style == Style::Header);
        let _ = match style {
            Style::Header | Style::Wrapped => write!(
                cells,
                r#"<xf numFmtId="{id}" fontId="{font}" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>"#
            ),
            _ => write!(
                cells,
                r#"<xf numFmtId="{id}" fontId="{font}" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>"#
            ),
        };
    }
    for scale in 1..=MOST_DECIMALS {
        let id = 180 + u16::from(scale);
        let zeros = "0".repeat(usize::from(scale));
        let _ = write!(formats, r#"<numFmt numFmtId="{id}" formatCode="0.{zeros}"/>"#);
        let _ =
            write!(cells, r#"<xf numFmtId="{id}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>"#);
    }
    let format_count = formats.matches("<numFmt ").count();
    let cell_count = cells.matches("<xf ").count();
    format!(
        "{DECLARATION}<styleSheet xmlns=\"{MAIN}\"><numFmts count=\"{format_count}\">{formats}</numFmts>\
         <fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/><family val=\"2\"/></font>\
         <font><b/><sz val=\"11\"/><name val=\"Calibri\"/><family val=\"2\"/></font></fonts>\
         <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
         <borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
         <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
         <cellXfs count=\"{cell_count}\">{cells}</cellXfs>\
         <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>"
    )
}

pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
pub(super) const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const SPREADSHEET_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// Returns `_rels/.rels`.
pub(super) fn package_relations() -> String {
    format!(
        "{DECLARATION}<Relationships xmlns=\"{PACKAGE}/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{PACKAGE}/relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/>\
         </Relationships>"
    )
}

/// Returns `docProps/core.xml`. The date is fixed: when a workbook was written is no part of its content.
pub(super) fn core_properties() -> String {
    let date = "xsi:type=\"dcterms:W3CDTF\">2000-01-01T00:00:00Z<";
    format!(
        "{DECLARATION}<cp:coreProperties xmlns:cp=\"{PACKAGE}/metadata/core-properties\" \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:creator>sessionlake</dc:creator>\
         <dcterms:created {date}/dcterms:created><dcterms:modified {date}/dcterms:modified></cp:coreProperties>"
    )
}

/// Returns `xl/workbook.xml` of sheets with these names; the first line of all but the last is repeated on every printed page.
pub(super) fn workbook(names: &[String]) -> String {
    let mut sheets = String::new();
    let mut titles = String::new();
    for (index, name) in names.iter().enumerate() {
        let _ = write!(sheets, r#"<sheet name="{name}" sheetId="{0}" r:id="rId{0}"/>"#, index + 1);
        if index + 1 < names.len() {
            let _ = write!(
                titles,
                r#"<definedName name="_xlnm.Print_Titles" localSheetId="{index}">'{name}'!$1:$1</definedName>"#
            );
        }
    }
    format!(
        "{DECLARATION}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><bookViews><workbookView/></bookViews>\
         <sheets>{sheets}</sheets><definedNames>{titles}</definedNames></workbook>"
    )
}

/// Returns `xl/_rels/workbook.xml.rels`.
pub(super) fn workbook_relations(sheets: usize) -> String {
    let mut relations = String::new();
    for number in 1..=sheets {
        let _ = write!(
            relations,
            r#"<Relationship Id="rId{number}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>"#
        );
    }
    format!(
        "{DECLARATION}<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}\
         <Relationship Id=\"rId{}\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/></Relationships>",
        sheets + 1
    )
}

/// Returns `[Content_Types].xml`.
pub(super) fn content_types(sheets: usize) -> String {
    let mut parts = String::new();
    for number in 1..=sheets {
        let _ = write!(
            parts,
            r#"<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{SPREADSHEET_TYPE}.worksheet+xml"/>"#
        );
    }
    format!(
        "{DECLARATION}<Types xmlns=\"{PACKAGE}/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SPREADSHEET_TYPE}.sheet.main+xml\"/>{parts}\
         <Override PartName=\"/xl/styles.xml\" ContentType=\"{SPREADSHEET_TYPE}.styles+xml\"/>\
         <Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>\
         </Types>"
    )
}
