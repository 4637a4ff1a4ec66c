//! A page with everything on it, looked at piece by piece. The same page is written to `target/browser/` for the browser's check.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|column| column.1).collect()).unwrap()
}

fn section(id: &str, title: &str, chart: &str, rows: RecordBatch) -> Section {
    Section {
        id: id.to_owned(),
        title: title.to_owned(),
        description: None,
        status: Status::Done,
        unit: None,
        chart: (!chart.is_empty()).then(|| ChartSpec::parse(chart).unwrap()),
        schema: rows.schema(),
        total_rows: rows.num_rows() as u64,
        batches: vec![rows],
        drawn: None,
        notes: Vec::new(),
        files: vec![("CSV".to_owned(), format!("{id}.csv")), ("XLSX".to_owned(), format!("{id}.xlsx"))],
        sql: format!("select *\nfrom workflow_sessions -- {id}\nwhere started_at >= $day and data < '<b>'\n"),
        parameters: vec![("day".to_owned(), "2026-11-20".to_owned())],
        checks: Vec::new(),
        links: Vec::new(),
    }
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(values))
}

fn days(count: i32, each: usize) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values((0..count).flat_map(|day| std::iter::repeat_n(20_727 + day, each))))
}

/// Numbers that look like a week of traffic, the same every time.
fn wave(index: usize, size: f64) -> f64 {
    let weekday = [1.0, 0.96, 0.9, 0.93, 1.05, 0.45, 0.38][index % 7];
    (size * (weekday + 0.12 * ((index * 7 % 11) as f64 / 11.0))).round()
}

fn demo() -> Page {
    let key = batch(vec![
        ("sessions", Arc::new(Int64Array::from(vec![12_345])) as ArrayRef),
        ("contained", Arc::new(Float64Array::from(vec![71.428_571])) as _),
        ("stuck_now", Arc::new(Int64Array::from(vec![3])) as _),
        (
            "first_session",
            Arc::new(TimestampMicrosecondArray::from(vec![1_795_132_800_000_000]).with_timezone("UTC")) as _,
        ),
    ]);
    let channels = ["Phone", "Messaging", "Email", "Task"];
    let traffic = batch(vec![
        ("day", days(51, 4)),
        ("channel", text(&channels.repeat(51))),
        (
            "sessions",
            Arc::new(Float64Array::from_iter_values((0..204).map(|n| wave(n / 4, [900.0, 420.0, 160.0, 60.0][n % 4])))),
        ),
    ]);
    let items: Vec<String> = [
        "Main menu",
        "Verify the customer by date of birth",
        "Billing: amount due & due date",
        "Say + Intent",
        "Transfer to <agent>",
        "Collect card number",
        "Opening hours",
        "Survey",
    ]
    .map(str::to_owned)
    .to_vec();
    let drop = batch(vec![
        ("workflow_item", Arc::new(StringArray::from(items)) as ArrayRef),
        ("left", Arc::new(Int64Array::from(vec![412, 371, 240, 198, 120, 66, 31, 9])) as _),
        ("share", Arc::new(Float64Array::from(vec![28.47, 25.638_3, 16.58, 13.7, 8.3, 4.6, 2.1, 0.6])) as _),
    ]);
    let heat = batch(vec![
        (
            "weekday",
            text(
                &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
                    .iter()
                    .flat_map(|day| std::iter::repeat_n(*day, 16))
                    .collect::<Vec<_>>(),
            ),
        ),
        ("hour", Arc::new(Int64Array::from_iter_values((0..112).map(|n| n % 16 + 6))) as _),
        (
            "sessions",
            Arc::new(Int64Array::from_iter_values(
                (0_i64..112).map(|n| wave(n as usize / 16, 90.0) as i64 * (16 - (n % 16 - 5).abs() * 2).max(1) / 10),
            )) as _,
        ),
    ]);
    let durations = batch(vec![
        ("day", days(30, 1)),
        (
            "p50",
            Arc::new(Float64Array::from_iter((0..30).map(|n| (n != 12).then(|| 40.0 + wave(n, 20.0))))) as ArrayRef,
        ),
        ("p90", Arc::new(Float64Array::from_iter((0..30).map(|n| (n != 12).then(|| 180.0 + wave(n, 120.0))))) as _),
        ("p99", Arc::new(Float64Array::from_iter((0..30).map(|n| (n != 12).then(|| 600.0 + wave(n, 300.0))))) as _),
    ]);
    let seconds = batch(vec![(
        "seconds",
        Arc::new(Float64Array::from_iter_values((0..900).map(|n| f64::from((n * 37) % 211) + f64::from((n * 53) % 97))))
            as ArrayRef,
    )]);
    let stuck = batch(vec![
        (
            "session_id",
            text(&["028d0110011c338a49078aecf4", "028d011001783b766e19cf7b7c", "<script>alert(1)</script>"]),
        ),
        (
            "started_at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_795_132_800_514_000), Some(1_795_140_000_000_000), None])
                    .with_timezone("UTC"),
            ) as _,
        ),
        ("hours", Arc::new(Float64Array::from(vec![Some(73.25), Some(26.000_123), None])) as _),
        ("current_item", text(&["Wait for callback", "\"><img src=x onerror=alert(1)>", "日本語のメニュー"])),
        (
            "data",
            Arc::new(StringArray::from(vec![
                "{\"a\":1}".to_owned(),
                format!("{{\"long\":\"{}\"}}", "x".repeat(600)),
                "'; drop table".to_owned(),
            ])) as _,
        ),
    ]);
    let mut reports = vec![
        section("yesterday", "Yesterday at a glance", "number y=sessions,contained,stuck_now,first_session", key),
        section("traffic", "Sessions by day and channel", "stacked bar x=day y=sessions series=channel", traffic),
        section("drop_off", "Where callers leave", "bar x=workflow_item y=left", drop),
        section("volume", "Volume by weekday and hour", "heat map x=hour y=weekday value=sessions", heat),
        section("durations", "Duration percentiles", "line x=day y=p50,p90,p99", durations.clone()),
        section("areas", "Durations in layers", "area x=day y=p50,p90", durations),
        section("distribution", "Distribution of time in workflow", "histogram x=seconds", seconds),
        section("stuck", "Stuck sessions", "table", stuck),
    ];
    reports[1].unit = Some("sessions".to_owned());
    reports[1].description = Some("Sessions that began on each local day, by the channel that started them. Weekends are low; a weekday below 1,000 is unusual.".to_owned());
    reports[1].total_rows = 12_345;
    reports[1].checks = vec![("rows > 0".to_owned(), true)];
    for index in [4, 5, 6] {
        reports[index].unit = Some("s".to_owned());
    }
    reports[7].status = Status::CheckFailed(vec!["rows = 0".to_owned()]);
    reports[7].checks = vec![("rows = 0".to_owned(), false), ("max(hours) < 100".to_owned(), true)];
    reports[7].links = vec![
        ("How to end a stuck session".to_owned(), "https://example.org/runbook?a=1&b=2".to_owned()),
        ("Not a link".to_owned(), "javascript:alert(1)".to_owned()),
    ];
    let mut failed = section("versions", "Version comparison", "bar x=a y=b", batch(vec![("a", text(&[]))]));
    failed.status = Status::Failed(
        "queries/versions.sql:7:12: no column \"versoin_id\"\n  |\n7 | group by versoin_id\n  |          ^^^^^^^^^^"
            .to_owned(),
    );
    reports.push(failed);
    let mut none = section(
        "quality",
        "Data quality",
        "bar x=a y=n",
        batch(vec![("a", text(&[])), ("n", Arc::new(Int64Array::from(Vec::<i64>::new())))]),
    );
    none.description = Some("Rows that were put aside on import. None is good.".to_owned());
    reports.push(none);
    Page {
        title: "Daily report".to_owned(),
        subtitle: "Friday, 20 November 2026".to_owned(),
        facts: vec![
            ("Lake".to_owned(), "s3://example/lake".to_owned()),
            ("Lake version".to_owned(), "41".to_owned()),
            ("As of".to_owned(), "2026-11-21T00:00:00Z".to_owned()),
            ("Time zone".to_owned(), "Europe/Berlin".to_owned()),
        ],
        reports,
    }
}

fn render(page: &Page) -> String {
    let mut bytes = Vec::new();
    write(page, crate::zones::Tz::named("Europe/Berlin").unwrap(), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Every start tag of a page, with its attributes.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .filter_map(|piece| piece.split('>').next())
        .filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect()
}

fn addresses(html: &str) -> Vec<&str> {
    tags(html)
        .into_iter()
        .filter(|tag| tag.starts_with("a "))
        .filter_map(|tag| tag.split("href=\"").nth(1)?.split('"').next())
        .collect()
}

#[test]
fn a_page_is_self_contained_and_the_same_each_time() {
    let html = render(&demo());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.html"), &html).unwrap();
    assert_eq!(html, render(&demo()));
    for tag in tags(&html) {
        let name = tag.split(' ').next().unwrap();
        assert!(!["script", "img", "iframe", "object", "embed", "form", "base"].contains(&name), "{tag}");
        assert!(name != "link" || tag.contains("href=\"data:,\""), "{tag}");
        assert!(!tag.split(' ').any(|attribute| attribute.starts_with("on") || attribute.starts_with("src=")), "{tag}");
    }
    assert!(!html.contains("url(") && !html.contains("@import"));
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_elements_of_a_page_are_closed_in_order() {
    let html = render(&demo());
    let mut open: Vec<String> = Vec::new();
    for piece in html.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{piece}");
        } else if !tag.ends_with('/') && !tag.starts_with('!') {
            let name = tag.split(' ').next().unwrap();
            if !["meta", "link"].contains(&name) {
                open.push(name.to_owned());
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn values_full_of_markup_come_out_as_text() {
    let mut page = demo();
    let evil = "\"'><script>alert(1)</script><a href='javascript:x'>\u{0}\u{202e}";
    page.title = evil.to_owned();
    page.subtitle = evil.to_owned();
    page.facts.push((evil.to_owned(), evil.to_owned()));
    for report in &mut page.reports {
        report.id = evil.to_owned();
        report.title = evil.to_owned();
        report.description = Some(evil.to_owned());
        report.sql = evil.to_owned();
        report.unit = Some(evil.to_owned());
        report.parameters = vec![(evil.to_owned(), evil.to_owned())];
        report.checks = vec![(evil.to_owned(), false)];
        report.files = vec![(evil.to_owned(), evil.to_owned())];
        report.links = vec![(evil.to_owned(), evil.to_owned())];
    }
    page.reports[7].status = Status::Failed(evil.to_owned());
    page.reports[8].status = Status::CheckFailed(vec![evil.to_owned()]);
    let html = render(&page);
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("'>"));
    assert!(
        addresses(&html).iter().all(|address| address.starts_with(['#']) || escape::is_safe_link(address)),
        "{:?}",
        addresses(&html)
    );
    assert!(!addresses(&html).iter().any(|address| address.contains("javascript:")));
    // Places stay unique, and every link inside the page finds its place.
    let ids: Vec<&str> =
        tags(&html).into_iter().filter_map(|tag| tag.split(" id=\"").nth(1)?.split('"').next()).collect();
    let unique: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len());
    for address in addresses(&html) {
        if let Some(place) = address.strip_prefix('#') {
            assert!(unique.contains(place), "{place}");
        }
    }
}

#[test]
fn the_summary_says_how_the_run_went() {
    let html = render(&demo());
    let top = html.split("class=\"card report\"").next().unwrap();
    assert!(top.contains("1 report of 10 failed; checks do not hold in 1"));
    assert!(top.contains("<span class=\"value\">12,345</span><span class=\"label\">sessions</span>"));
    assert_eq!(
        html.matches("<span class=\"value\">12,345</span>").count(),
        1,
        "what stands at the top is not said again"
    );
    assert!(top.contains("<code>rows = 0</code>"));
    assert!(top.contains("queries/versions.sql:7:12: no column &quot;versoin_id&quot;</li>"));
    let mut page = demo();
    page.reports.truncate(3);
    let html = render(&page);
    assert!(html.contains("All 3 reports ran and their checks hold"));
    assert!(!html.contains("✓ done") && !html.contains("Status"), "that all are done is said once");
    // Figures that have no room at the top stay in their section.
    let key = page.reports[0].clone();
    page.reports.extend([key.clone(), key]);
    assert_eq!(render(&page).matches("<span class=\"value\">12,345</span>").count(), 3);
    page.reports.clear();
    assert!(render(&page).contains("There are no reports in this run"));
}

#[test]
fn figures_stand_before_charts_and_charts_before_the_list_and_the_rows() {
    let html = render(&demo());
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("<ul class=\"figures\">") < at("<svg"));
    assert!(html.rfind("<svg").unwrap() < at("<h2 id=\"reports\">"));
    assert!(at("<h2 id=\"reports\">") < at("class=\"card report\""));
    // Six of the ten reports have a chart that can be drawn; what failed, figures and tables have none, and nor has a result without rows.
    assert_eq!(html.matches("class=\"card drawing\"").count(), html.matches(">Rows and files</a>").count());
    assert_eq!(html.matches("class=\"card drawing\"").count(), html.matches("\">Chart</a>").count());
    assert_eq!(html.matches("Weekends are low").count(), 1, "what a report says stands at its chart");
    let links = addresses(html.split("<svg").next().unwrap()).len();
    assert_eq!(links, 1 + 1 + 2, "the way past the top, the report of the figures, and the two that need a look");
}

#[test]
fn rows_that_are_not_shown_are_told_and_linked() {
    let html = render(&demo());
    assert!(html.contains("This page shows the first 204 of 12,345 rows. All rows: <a href=\"traffic.csv\">CSV</a>."));
    assert!(html.contains("Drawn from the first 204 of 12,345 rows.</figcaption>"));
    assert!(html.contains("<caption><span>The first 204 of 12,345 rows</span></caption>"));
    let mut page = demo();
    let traffic = page.reports.iter_mut().find(|report| report.id == "traffic").unwrap();
    let rows = traffic.batches[0].slice(0, 4);
    traffic.total_rows = 204;
    traffic.drawn = Some(std::mem::replace(&mut traffic.batches, vec![rows]));
    traffic.notes = vec!["In <x> 2 texts are cut.".to_owned()];
    let html = render(&page);
    assert!(html.contains("This page shows the first 4 of 204 rows.") && !html.contains("Drawn from the first"));
    assert!(html.contains("from 1 Oct 2026 to 20 Nov 2026"), "the chart is of all rows");
    assert!(html.contains("<p class=\"note warn\">In &lt;x&gt; 2 texts are cut.</p>"));
}

#[test]
fn tables_have_headers_with_scope_and_times_of_the_zone() {
    let html = render(&demo());
    assert!(html.contains("<th scope=\"col\" class=\"n\">hours</th>"));
    assert!(html.contains("<th scope=\"row\">028d0110011c338a49078aecf4</th>"));
    assert!(html.contains("<caption><span>3 rows; times in Europe/Berlin; numbers rounded</span></caption>"));
    assert!(html.contains("<time datetime=\"2026-11-20T01:00:00.514+01:00\">2026-11-20 01:00:00</time>"), "{html}");
    assert!(html.contains("<td class=\"n\"><span class=\"nil\">–</span></td>"));
    assert!(html.contains("<details><summary>{&quot;long"), "a long text is folded");
    assert!(html.contains(&"x".repeat(600)), "but all of it is there");
}

#[test]
fn a_chart_that_does_not_fit_its_result_leaves_the_rest_of_the_page() {
    let mut page = demo();
    page.reports[2].chart = Some(ChartSpec::parse("bar x=nothing y=left").unwrap());
    let html = render(&page);
    assert!(
        html.contains("The chart could not be drawn: the chart&#39;s column &quot;nothing&quot; is not in the result")
    );
    assert!(html.contains("Transfer to &lt;agent&gt;"));
}

#[test]
fn headings_go_down_one_level_at_a_time() {
    let html = render(&demo());
    let levels: Vec<u32> =
        tags(&html).into_iter().filter_map(|tag| tag.strip_prefix('h')?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1) && levels.iter().filter(|level| **level == 1).count() == 1
    );
}
