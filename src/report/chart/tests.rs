//! Charts of small results, looked at element by element.

use std::sync::Arc;

use crate::zones::Tz;
use arrow::array::*;
use arrow::datatypes::*;
use proptest::prelude::*;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|column| column.1).collect()).unwrap()
}

fn draw(text: &str, batches: &[RecordBatch]) -> Chart {
    svg(&ChartSpec::parse(text).unwrap(), "The <title>", batches, Tz::UTC).unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringViewArray>())
}

fn numbers(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<Float64Array>())
}

/// Days from 2026-10-01.
fn days(values: &[i32]) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(values.iter().map(|day| 20_727 + day)))
}

fn count(chart: &Chart, piece: &str) -> usize {
    chart.svg.matches(piece).count()
}

/// Checks that the elements are closed in their order.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("an element is open");
        let tag = &rest[..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap().to_owned());
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn bars_have_a_rectangle_a_value_and_tooltips() {
    let rows = batch(vec![("day", days(&[0, 1, 3])), ("n", numbers(&[Some(5.0), Some(12.5), Some(3.0)]))]);
    let chart = draw("bar x=day y=n unit=sessions", &[rows]);
    assert_well_formed(&chart.svg);
    assert_eq!(count(&chart, "<rect "), 3);
    assert!(chart.svg.contains("<title>2 Oct 2026: 12.5 sessions</title>"));
    // The day without a row is a gap with a label, not left out.
    for label in ["1 Oct", "2 Oct", "3 Oct", "4 Oct"] {
        assert!(chart.svg.contains(&format!(">{label}</text>")), "{label}");
    }
    assert!(chart.svg.contains(">n (sessions)</text>"));
    assert!(chart.svg.contains("<title>The &lt;title&gt;</title><desc>"));
    assert_eq!(
        chart.description,
        "Bars of n by day, from 1 Oct 2026 to 4 Oct 2026. Highest 12.5 sessions (2 Oct 2026), lowest 3 sessions (4 Oct 2026)."
    );
}

#[test]
fn stacked_bars_stand_on_each_other() {
    let rows = batch(vec![
        ("day", days(&[0, 0, 0])),
        ("n", numbers(&[Some(60.0), Some(40.0), Some(-50.0)])),
        ("channel", texts(&[Some("Phone"), Some("Email"), None])),
    ]);
    let chart = draw("stacked bar x=day y=n series=channel", &[rows]);
    let tops: Vec<(f64, f64)> = chart
        .svg
        .split("<rect ")
        .filter(|part| part.contains("<title>"))
        .skip(1)
        .map(|part| {
            let attribute = |name: &str| {
                part.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            (attribute("y"), attribute("height"))
        })
        .collect();
    let [phone, email, none] = tops[..] else { panic!("{tops:?}") };
    assert!((email.0 + email.1 - phone.0).abs() < 0.2, "{tops:?}");
    assert!((phone.0 + phone.1 - none.0).abs() < 0.2, "{tops:?}");
    assert!((phone.1 / email.1 - 1.5).abs() < 0.02);
    assert!(chart.svg.contains(">(none)</text>"), "a missing series has a name");
}

#[test]
fn bars_with_long_names_lie_and_show_the_name_whole_in_a_tooltip() {
    let long = "A workflow item with a name that no axis can hold & more";
    let rows = batch(vec![("item", texts(&[Some(long), Some("Short <b>")])), ("n", numbers(&[Some(3.0), Some(2.0)]))]);
    let chart = draw("bar x=item y=n", &[rows]);
    assert_well_formed(&chart.svg);
    assert!(chart.svg.contains("<title>A workflow item with a name that no axis can hold &amp; more</title>A workflow item with a na…</text>"), "{}", chart.svg);
    assert!(chart.svg.contains(">Short &lt;b&gt;</text>"));
}

#[test]
fn lines_break_at_nulls_and_at_values_that_are_no_number() {
    let values = [Some(1.0), Some(2.0), None, Some(4.0), Some(f64::NAN), Some(f64::INFINITY), Some(7.0), Some(8.0)];
    let rows = batch(vec![("day", days(&[0, 1, 2, 3, 4, 5, 6, 7])), ("n", numbers(&values))]);
    let chart = draw("line x=day y=n", &[rows]);
    let lines: Vec<usize> = chart
        .svg
        .split("<path d=\"")
        .skip(1)
        .map(|part| part.split('"').next().unwrap().matches(['M', 'L']).count())
        .collect();
    assert_eq!(lines, [2, 1, 2]);
    assert_eq!(count(&chart, "<circle "), 5);
    assert!(chart.description.contains("Not drawn: 2 values that are no finite number."));
}

#[test]
fn several_columns_are_series_with_a_legend() {
    let rows = batch(vec![
        ("day", days(&[0, 1])),
        ("p50", numbers(&[Some(60.0), Some(90.0)])),
        ("p90", numbers(&[Some(3_600.0), Some(7_200.0)])),
    ]);
    let chart = draw("line x=day y=p50,p90 unit=s", &[rows]);
    assert!(chart.svg.contains(">p50</text>") && chart.svg.contains(">p90</text>"));
    assert!(chart.svg.contains("<title>2 Oct 2026, p90: 2 h</title>"));
    assert!(chart.svg.contains(">1 h</text>"), "seconds have ticks on whole hours");
    assert!(chart.description.contains("p50: highest 1 min 30 s (2 Oct 2026), lowest 1 min (1 Oct 2026)."));
}

#[test]
fn a_heat_map_has_a_cell_for_every_value_and_frames_for_the_missing() {
    let rows = batch(vec![
        ("hour", Arc::new(Int64Array::from(vec![8, 10, 8])) as ArrayRef),
        ("weekday", texts(&[Some("Mon"), Some("Mon"), Some("Tue")])),
        ("n", numbers(&[Some(1.0), Some(100.0), Some(50.0)])),
    ]);
    let chart = draw("heat map x=hour y=weekday value=n", &[rows]);
    assert_well_formed(&chart.svg);
    assert_eq!(count(&chart, "class=\"none\""), 3, "nine o'clock on both days, ten on Tuesday");
    assert!(chart.svg.contains("class=\"h6\"><title>Mon, 10: 100</title>"));
    assert!(chart.svg.contains("class=\"h0\"><title>Mon, 8: 1</title>"));
}

#[test]
fn a_histogram_counts_every_row_once() {
    let values: Vec<Option<f64>> = (0..100).map(|n| Some(f64::from(n))).chain([None]).collect();
    let chart = draw("histogram x=seconds unit=s", &[batch(vec![("seconds", numbers(&values))])]);
    let counted: f64 = chart
        .svg
        .split("<rect ")
        .skip(1)
        .map(|part| part.split("</title>").next().unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(counted, 100.0);
    assert!(
        chart.description.contains("over 100 rows")
            && chart.description.contains("Not counted: 1 row without a number.")
    );
    let same = batch(vec![("seconds", numbers(&[Some(7.0), Some(7.0)]))]);
    assert_eq!(count(&draw("histogram x=seconds", &[same]), "<rect "), 1);
}

#[test]
fn figures_are_shown_with_their_units() {
    let rows = batch(vec![
        ("sessions", Arc::new(Int64Array::from(vec![12_345])) as ArrayRef),
        ("missing", numbers(&[None])),
        ("last", texts(&[Some("<now>")])),
    ]);
    let spec = ChartSpec::parse("number y=sessions,missing,last").unwrap();
    let found = figures(&spec, std::slice::from_ref(&rows), Tz::UTC).unwrap();
    let pairs: Vec<(&str, &str)> = found.iter().map(|figure| (figure.label.as_str(), figure.value.as_str())).collect();
    assert_eq!(pairs, [("sessions", "12,345"), ("missing", "–"), ("last", "<now>")]);
    let chart = svg(&spec, "t", &[rows], Tz::UTC).unwrap();
    assert_well_formed(&chart.svg);
    let named = batch(vec![("what", texts(&[Some("calls"), Some("mails")])), ("n", numbers(&[Some(99.5), Some(0.5)]))]);
    let found = figures(&ChartSpec::parse("number x=what y=n unit=%").unwrap(), &[named], Tz::UTC).unwrap();
    assert_eq!(found[1], Figure { label: "mails".to_owned(), value: "0.5%".to_owned(), before: None });
}

#[test]
fn instants_are_placed_in_the_zone() {
    let instant = 1_790_812_800_000_000; // 2026-10-01T00:00:00Z
    let times = TimestampMicrosecondArray::from(vec![instant]).with_timezone("UTC");
    let rows = batch(vec![("at", Arc::new(times) as ArrayRef), ("n", numbers(&[Some(1.0)]))]);
    let spec = ChartSpec::parse("bar x=at y=n").unwrap();
    let chart = svg(&spec, "t", &[rows], crate::zones::Tz::named("America/New_York").unwrap()).unwrap();
    assert!(chart.svg.contains("<title>30 Sep 2026 20:00: 1</title>"), "{}", chart.svg);
}

/// Draws by the clocks of Berlin, of instants that are hours from 2026-10-25T00:00:00+02:00, a day of 25 of them.
fn draw_in_berlin(text: &str, hours: impl IntoIterator<Item = i64>) -> Chart {
    let midnight = 1_792_879_200_000_000;
    let instants: Vec<i64> = hours.into_iter().map(|hour| midnight + hour * 3_600_000_000).collect();
    let counts: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=instants.len() as i64));
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(instants).with_timezone("UTC"));
    let rows = batch(vec![("at", ArrayRef::clone(&at)), ("n", counts), ("other", at)]);
    let berlin = crate::zones::Tz::named("Europe/Berlin").unwrap();
    svg(&ChartSpec::parse(text).unwrap(), "t", &[rows], berlin).unwrap()
}

#[test]
fn the_hour_that_comes_twice_is_two_places_in_their_order() {
    for text in ["bar x=at y=n", "line x=at y=n", "area x=at y=n", "heat map x=at y=other value=n"] {
        let chart = draw_in_berlin(text, 0..5);
        assert!(!chart.description.contains("added up"), "{text}: {}", chart.description);
        let places = [" 01:00: 2<", " 02:00 +02:00: 3<", " 02:00 +01:00: 4<", " 03:00: 5<"];
        let found: Vec<Option<usize>> = places.iter().map(|place| chart.svg.find(place)).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{text}: {}", chart.svg);
    }
    // Along a line every hour is as long as any other.
    let across: Vec<f64> = draw_in_berlin("line x=at y=n", 0..5)
        .svg
        .split("<circle cx=\"")
        .skip(1)
        .map(|part| part.split('"').next().unwrap().parse().unwrap())
        .collect();
    assert!(across.windows(3).all(|three| (three[2] - 2.0 * three[1] + three[0]).abs() < 0.2), "{across:?}");
}

#[test]
fn an_hour_that_clocks_skip_is_no_gap_and_days_are_evenly_spaced() {
    // 2026-03-29 from midnight: 00:00, 01:00, 03:00, 04:00.
    let before = -210 * 24 + 1;
    let chart = draw_in_berlin("line x=at y=n", before..before + 4);
    assert_eq!(count(&chart, "<path "), 1, "{}", chart.svg);
    assert!(chart.svg.contains("<title>29 Mar 2026 03:00: 3</title>"), "{}", chart.svg);
    assert!(!chart.svg.contains(">02:00</text>"), "{}", chart.svg);
    // The day before, the long one and the next, with a gap behind it.
    let chart = draw_in_berlin("bar x=at y=n", [-24, 0, 25, 73]);
    for label in ["24 Oct", "25 Oct", "26 Oct", "27 Oct", "28 Oct"] {
        assert!(chart.svg.contains(&format!(">{label}</text>")), "{label}: {}", chart.svg);
    }
    // Ticks are on whole local hours on both sides of the change.
    let chart = draw_in_berlin("line x=at y=n", -30..40);
    for label in ["24 Oct", "12:00", "25 Oct", "26 Oct"] {
        assert!(chart.svg.contains(&format!(">{label}</text>")), "{label}: {}", chart.svg);
    }
}

#[test]
fn counts_of_the_same_place_are_added_and_said_so() {
    let both = texts(&[Some("a"), Some("a")]);
    let counts = Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let chart = draw("bar x=c y=n unit=calls", &[batch(vec![("c", ArrayRef::clone(&both)), ("n", counts)])]);
    assert!(chart.svg.contains("<title>a: 3 calls</title>"), "{}", chart.svg);
    assert!(chart.description.ends_with("Values of rows with the same place are added up."));
    let amounts = Decimal128Array::from(vec![150, 50]).with_precision_and_scale(9, 2).unwrap();
    let rows = batch(vec![("c", both), ("n", Arc::new(amounts) as ArrayRef)]);
    assert!(draw("bar x=c y=n", &[rows]).svg.contains("<title>a: 2</title>"));
}

#[test]
fn rates_and_durations_of_the_same_place_are_no_chart() {
    let both = || texts(&[Some("a"), Some("a")]);
    let counts = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let apart = || texts(&[Some("x"), Some("y")]);
    for (spec, values) in [
        ("bar x=c y=n", numbers(&[Some(0.5), Some(0.75)])),
        ("line x=c y=n unit=%", counts()),
        ("stacked bar x=c y=n unit=share", counts()),
        ("bar x=c y=n unit=s", counts()),
        ("heat map x=c y=c value=n", numbers(&[Some(1.0), Some(2.0)])),
        ("bar x=c y=n", Arc::new(DurationSecondArray::from(vec![1, 2])) as ArrayRef),
    ] {
        let rows = batch(vec![("c", both()), ("n", values), ("s", apart())]);
        let parsed = ChartSpec::parse(spec).unwrap();
        let error = svg(&parsed, "t", std::slice::from_ref(&rows), Tz::UTC).unwrap_err();
        assert!(error.to_string().contains("several rows have a value of \"n\" at \"a\""), "{spec}: {error}");
        assert!(error.hint().unwrap().starts_with("let the query group by c"), "{spec}");
        if parsed.series.is_none() {
            // Told apart they are drawn.
            svg(&ChartSpec { series: Some("s".to_owned()), ..parsed }, "t", &[rows], Tz::UTC).unwrap();
        }
    }
    let missing = batch(vec![("c", both()), ("n", numbers(&[Some(0.5), None]))]);
    assert!(draw("bar x=c y=n", &[missing]).svg.contains("<title>a: 0.5</title>"), "no value is none to add");
}

#[test]
fn figures_say_what_they_were() {
    let rows = batch(vec![
        ("what", texts(&[Some("sessions"), Some("contained, %"), Some("median time, s"), Some("new"), Some("a, b")])),
        ("n", numbers(&[Some(437.0), Some(59.9), Some(168.0), Some(4.0), None])),
        ("week_before", numbers(&[Some(443.0), Some(64.0), Some(168.0), Some(0.0), Some(7.0)])),
    ]);
    let spec = ChartSpec::parse("number x=what y=n before=week_before").unwrap();
    let found = figures(&spec, std::slice::from_ref(&rows), Tz::UTC).unwrap();
    let shown: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|figure| (figure.label.as_str(), figure.value.as_str(), figure.before.as_deref().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("sessions", "437", "−1.4% · week before 443"),
            ("contained", "59.9%", "−4.1 points · week before 64%"),
            ("median time", "2 min 48 s", "±0% · week before 2 min 48 s"),
            ("new", "4", "week before 0"),
            ("a, b", "–", "week before 7"),
        ]
    );
    assert!(ChartSpec::parse("bar x=what y=n before=week_before").is_err());
    let wrong = ChartSpec::parse("number x=what y=n before=what").unwrap();
    assert!(wrong.check(&rows.schema()).unwrap_err().to_string().contains("\"what\" is of type"));
}

#[test]
fn more_series_than_colours_are_told() {
    let names: Vec<String> = (0..12).map(|n| format!("series {n}")).collect();
    let channel: ArrayRef = Arc::new(StringArray::from(names));
    let values: Vec<Option<f64>> = (0..12).map(|n| Some(f64::from(n))).collect();
    let rows = batch(vec![("day", days(&[0; 12])), ("n", numbers(&values)), ("channel", channel)]);
    let stacked = draw("stacked bar x=day y=n series=channel", std::slice::from_ref(&rows));
    assert!(stacked.svg.contains("<title>1 Oct 2026, 5 others: 10</title>"), "{}", stacked.svg);
    let lines = draw("line x=day y=n series=channel", &[rows]);
    assert!(lines.description.contains("Drawn are the 7 largest of 12 series; the table has all."));
    assert!(!lines.svg.contains("series 4<"));
}

#[test]
fn an_empty_result_says_so() {
    for text in ["bar x=c y=n", "line x=c y=n", "heat map x=c y=c value=n", "histogram x=n", "number y=n"] {
        let none = batch(vec![("c", texts(&[])), ("n", numbers(&[]))]);
        for batches in [vec![none], vec![]] {
            let chart = draw(text, &batches);
            assert!(chart.svg.contains(">no rows</text>"), "{text}");
            assert!(chart.description.to_lowercase().contains("no rows"), "{text}");
        }
        let nulls = batch(vec![("c", texts(&[None])), ("n", numbers(&[None]))]);
        assert_well_formed(&draw(text, &[nulls]).svg);
    }
    assert_eq!(draw("table", &[]).svg, "");
}

#[test]
fn one_point_however_large_has_a_place() {
    for value in [0.0, -1e-300, 2.160e54, f64::MAX, f64::MIN] {
        let rows = batch(vec![("n", Arc::new(Float64Array::from(vec![value])) as ArrayRef)]);
        for text in ["line x=n y=n", "area x=n y=n", "bar x=n y=n", "histogram x=n y=n"] {
            let svg = draw(text, std::slice::from_ref(&rows)).svg;
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{text} of {value}: {svg}");
        }
    }
}

#[test]
fn a_column_that_is_not_there_is_refused() {
    let rows = batch(vec![("c", texts(&[])), ("n", numbers(&[]))]);
    let error = svg(&ChartSpec::parse("bar x=c y=m").unwrap(), "t", &[rows], Tz::UTC).unwrap_err();
    assert!(error.to_string().contains("\"m\""));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_data_gives_a_drawing_within_its_frame(
        rows in proptest::collection::vec((any::<Option<i32>>(), "\\PC{0,40}|[<&>\"]{1,5}", any::<Option<f64>>()), 0..40),
        kind in 0_usize..12,
    ) {
        let rows = batch(vec![
            ("day", Arc::new(rows.iter().map(|row| row.0).collect::<Date32Array>()) as ArrayRef),
            ("c", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1)))),
            ("n", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>())),
            ("m", Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>())),
        ]);
        let text = [
            "bar x=day y=n", "bar x=c y=m", "bar x=n y=n", "stacked bar x=day y=m series=c", "line x=day y=n series=c", "line x=c y=m",
            "line x=n y=n unit=s", "area x=day y=n,m series=c", "heat map x=day y=c value=n", "heat map x=c y=day value=n",
            "histogram x=n y=n", "number x=c y=n",
        ][kind];
        let spec = ChartSpec::parse(text).unwrap();
        let chart = match svg(&spec, "t", std::slice::from_ref(&rows), Tz::UTC) {
            Ok(chart) => chart,
            Err(error) => {
                prop_assert!(error.to_string().contains("several rows have a value of \"n\""), "{}", error);
                return Ok(());
            }
        };
        assert_well_formed(&chart.svg);
        prop_assert!(!chart.svg.contains("NaN\"") && !chart.svg.contains("inf\""), "{}", chart.svg);
        prop_assert_eq!(svg(&spec, "t", &[rows], Tz::UTC).unwrap(), chart);
    }
}
