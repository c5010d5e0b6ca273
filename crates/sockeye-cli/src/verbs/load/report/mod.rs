//! The report: one page of HTML with everything in it, for light and dark, for screens of any width. It has no script.

mod plot;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use self::plot::{MOST, Plot, Series, histogram};
use super::engine::Ending;
use super::latency::Timing;
use super::outcome::{Outcome, Point, bytes, grouped, shown};
use super::summary::{self, COLUMNS};
use crate::output::human::tame;

const STYLE: &str = include_str!("style.css");

/// A text in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in tame(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// The page.
pub(crate) fn page(outcome: &Outcome, points: &[Point]) -> String {
    let title = format!("Load of {}", escaped(&outcome.asked.url));
    let mut out = String::new();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    head(&mut out, outcome);
    tiles(&mut out, outcome);
    plots(&mut out, outcome, points);
    latencies(&mut out, outcome);
    errors(&mut out, outcome);
    let _ = write!(
        out,
        "<p class=\"faint\">sockeye {} · an acknowledgement counts from when its event was due</p>\n</body>\n</html>\n",
        escaped(&outcome.version)
    );
    out
}

fn head(out: &mut String, outcome: &Outcome) {
    let asked = &outcome.asked;
    let start = Duration::try_from_secs_f64(outcome.start).unwrap_or_default();
    let start = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + start);
    let _ = writeln!(
        out,
        "<p class=\"faint\">{start} · {} clients within {:.1} s, then {:.1} s · {}</p>",
        grouped(asked.clients),
        asked.ramp_s,
        asked.duration_s,
        escaped(&asked.scenarios.join(", "))
    );
    let parts: Vec<String> = outcome
        .shards
        .iter()
        .filter(|shard| shard.of > 1)
        .map(|shard| format!("{}/{}", shard.number, shard.of))
        .collect();
    if !parts.is_empty() {
        let _ = writeln!(out, "<p class=\"faint\">shards {}</p>", parts.join(", "));
    }
    match outcome.ending {
        Ending::Complete => (),
        Ending::Done => {
            out.push_str("<p>All clients had done their steps before the time was up.</p>\n");
        }
        Ending::Interrupted => out.push_str("<p class=\"bad\">The run was interrupted.</p>\n"),
    }
    if !outcome.conditions.is_empty() || !outcome.warnings.is_empty() {
        out.push_str("<ul>\n");
        for verdict in &outcome.conditions {
            let class = if verdict.failed { "bad" } else { "good" };
            let _ = writeln!(
                out,
                "<li class=\"{class}\">{}</li>",
                escaped(&verdict.to_string())
            );
        }
        for warning in &outcome.warnings {
            let _ = writeln!(out, "<li class=\"bad\">warning: {}</li>", escaped(warning));
        }
        out.push_str("</ul>\n");
    }
}

fn tiles(out: &mut String, outcome: &Outcome) {
    let counts = &outcome.tally.counts;
    let main = super::merge::main(outcome);
    let latency = outcome.tally.latency.of(main);
    let at = |percent| latency.percentile(percent).map_or("–".to_owned(), shown);
    let rate = |count| grouped(outcome.a_second(count).round() as u64);
    let errors = outcome.tally.errors();
    let tiles = [
        (
            grouped(outcome.connected),
            format!(
                "clients connected at the end, of {}",
                grouped(summary::wanted(outcome))
            ),
        ),
        (
            format!("{}/s", rate(counts.events)),
            format!("events sent, {} in all", grouped(counts.events)),
        ),
        (
            format!("{}/s", rate(counts.acks + counts.received)),
            format!(
                "came back: {} acks, {} events",
                grouped(counts.acks),
                grouped(counts.received)
            ),
        ),
        (at(50.0), format!("p50 of {}", main.name())),
        (at(99.0), format!("p99 of {}", main.name())),
        (
            grouped(errors),
            format!(
                "errors, {:.3} % of what was tried",
                outcome.tally.error_share() * 100.0
            ),
        ),
        (
            format!(
                "{} / {}",
                bytes(counts.sent_bytes),
                bytes(counts.received_bytes)
            ),
            "sent / received".to_owned(),
        ),
        (
            outcome
                .tester
                .cpu
                .map_or("–".to_owned(), |cpu| format!("{cpu:.2}")),
            format!("used by the tester: {}", summary::tester(outcome)),
        ),
    ];
    out.push_str("<div class=\"tiles\">\n");
    for (figure, words) in tiles {
        let _ = writeln!(
            out,
            "<div class=\"tile\"><b>{figure}</b><small>{}</small></div>",
            escaped(&words)
        );
    }
    out.push_str("</div>\n");
}

/// Few enough points: of times, the worst of those that fall together; of counts, the sum.
fn thinned(points: &[Point]) -> Vec<Point> {
    let together = points.len().div_ceil(MOST).max(1);
    let worst = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    let merge = |group: &[Point]| {
        let mut sum = Point::default();
        for point in group {
            sum.second = point.second;
            sum.span += point.span;
            sum.connected = point.connected;
            sum.events += point.events;
            sum.acks += point.acks;
            sum.received += point.received;
            sum.errors += point.errors;
            sum.cpu = worst(sum.cpu, point.cpu);
            sum.lag = worst(sum.lag, point.lag);
            sum.latency = match (sum.latency, point.latency) {
                (Some(a), Some(b)) => Some([a[0].max(b[0]), a[1].max(b[1]), a[2].max(b[2])]),
                (a, b) => a.or(b),
            };
        }
        sum
    };
    points.chunks(together).map(merge).collect()
}

fn plots(out: &mut String, outcome: &Outcome, points: &[Point]) {
    // The last look is of a part of a second, when clients leave: too short for a rate.
    let points: Vec<Point> = thinned(points)
        .into_iter()
        .filter(|point| point.span >= 0.5)
        .collect();
    let times: Vec<f64> = points.iter().map(|point| point.second).collect();
    let all = |value: &dyn Fn(&Point) -> Option<f64>| points.iter().map(value).collect::<Vec<_>>();
    let rate = |count: &dyn Fn(&Point) -> u64| all(&|point| Some(count(point) as f64 / point.span));
    let series = |name, values| Series { name, values };
    let main = super::merge::main(outcome);
    let title = match main {
        Timing::Ack => "Latency of acknowledgements",
        Timing::Wait => "Time until the awaited event",
        Timing::Listen => "Latency of heard events, end to end",
        _ => "Time to join",
    };
    let mut flow = vec![series("sent", rate(&|point| point.events))];
    if outcome.tally.counts.acks > 0 {
        flow.push(series("acknowledged", rate(&|point| point.acks)));
    }
    if outcome.tally.counts.received > 0 {
        flow.push(series("received", rate(&|point| point.received)));
    }
    let plots = [
        Plot {
            title,
            unit: "ms",
            logarithmic: true,
            times: times.clone(),
            series: vec![
                series("p50", all(&|point| point.latency.map(|three| three[0]))),
                series("p99", all(&|point| point.latency.map(|three| three[1]))),
                series("max", all(&|point| point.latency.map(|three| three[2]))),
            ],
        },
        Plot {
            title: "Events",
            unit: "a second",
            logarithmic: false,
            times: times.clone(),
            series: flow,
        },
        Plot {
            title: "Connected clients",
            unit: "",
            logarithmic: false,
            times: times.clone(),
            series: vec![series(
                "connected",
                all(&|point| Some(point.connected as f64)),
            )],
        },
        Plot {
            title: "Errors",
            unit: "a second",
            logarithmic: false,
            times: times.clone(),
            series: vec![series("errors", rate(&|point| point.errors))],
        },
        Plot {
            title: "The tester's processors",
            unit: "in use",
            logarithmic: false,
            times: times.clone(),
            series: vec![series("cpu", all(&|point| point.cpu))],
        },
        Plot {
            title: "The tester's lag",
            unit: "ms",
            logarithmic: true,
            times,
            series: vec![series("p99", all(&|point| point.lag))],
        },
    ];
    out.push_str("<h2>Over time</h2>\n<div class=\"plots\">\n");
    for plot in plots {
        out.push_str(&plot.draw());
        out.push('\n');
    }
    out.push_str("</div>\n<h2>How latencies are spread</h2>\n<div class=\"plots\">\n");
    for timing in Timing::ALL {
        let drawn = histogram(timing.name(), &outcome.tally.latency.of(timing).buckets());
        out.push_str(&drawn);
    }
    out.push_str("\n</div>\n");
}

fn latencies(out: &mut String, outcome: &Outcome) {
    out.push_str("<h2>Latencies</h2>\n<div class=\"table\"><table>\n<tr><th>what</th>");
    for (title, _) in COLUMNS {
        let _ = write!(out, "<th>{title}</th>");
    }
    out.push_str("<th>count</th></tr>\n");
    for timing in Timing::ALL {
        let latency = outcome.tally.latency.of(timing);
        if latency.count() == 0 {
            continue;
        }
        let _ = write!(out, "<tr><td>{}</td>", timing.name());
        for (_, percent) in COLUMNS {
            let time = latency.percentile(percent).map_or("–".to_owned(), shown);
            let _ = write!(out, "<td>{time}</td>");
        }
        let _ = writeln!(out, "<td>{}</td></tr>", grouped(latency.count()));
    }
    out.push_str("</table></div>\n");
}

fn errors(out: &mut String, outcome: &Outcome) {
    out.push_str("<h2>Errors</h2>\n");
    if outcome.tally.errors.is_empty() {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str(
        "<div class=\"table\"><table>\n<tr><th>kind</th><th>count</th><th>one of them</th></tr>\n",
    );
    for (kind, errors) in &outcome.tally.errors {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
            escaped(kind),
            grouped(errors.count),
            escaped(&errors.sample)
        );
    }
    out.push_str("</table></div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::load::merge::tests::outcome;
    use crate::verbs::load::metrics::ErrorCount;

    fn sample(seconds: usize) -> String {
        let mut outcome = outcome();
        outcome.asked.url = "http://h/<b>&\"".into();
        for ms in 1..500 {
            outcome
                .tally
                .latency
                .record(Timing::Ack, Duration::from_millis(ms));
        }
        outcome.tally.counts.acks = 499;
        outcome.tally.counts.received = 3;
        let sample = "<script>alert(1)</script>\u{1b}".to_owned();
        outcome
            .tally
            .errors
            .insert("ack: timeout".into(), ErrorCount { count: 2, sample });
        outcome.warnings.push("a & b".into());
        let points: Vec<Point> = (1..=seconds)
            .map(|second| Point {
                second: second as f64,
                span: 1.0,
                connected: 10,
                events: 100,
                latency: (second % 7 > 0).then_some([1.0, 20.0, 300.0]),
                ..Point::default()
            })
            .collect();
        page(&outcome, &points)
    }

    /// Every element is closed, in order, and no text is taken for one.
    fn well_formed(page: &str) {
        let mut open = Vec::new();
        let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
        let body = body.replace(STYLE, "");
        for tag in body.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag has an end");
            assert!(!text.contains('>'), "{text}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{tag}");
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().expect("a name"));
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_page_is_whole_and_needs_nothing_else() {
        for seconds in [0, 1, 40, 5000] {
            let page = sample(seconds);
            well_formed(&page);
            for part in [
                "src=",
                "href=",
                "url(",
                "@import",
                "<script",
                "http-equiv",
                "\u{1b}",
            ] {
                assert!(!page.contains(part), "{part}");
            }
            assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
            assert!(page.contains("name=\"viewport\""));
            assert!(page.contains("prefers-color-scheme:dark"));
            assert_eq!(page.matches("<figure>").count(), 7);
        }
    }

    #[test]
    fn a_long_run_is_thinned_and_keeps_its_worst() {
        let mut points: Vec<Point> = (0..10_000)
            .map(|second| Point {
                second: f64::from(second),
                span: 1.0,
                events: 2,
                ..Point::default()
            })
            .collect();
        points[5000].latency = Some([1.0, 2.0, 900.0]);
        let thin = thinned(&points);
        assert!(thin.len() <= MOST);
        assert_eq!(thin.iter().map(|point| point.events).sum::<u64>(), 20_000);
        let worst = thin
            .iter()
            .filter_map(|point| point.latency)
            .map(|three| three[2]);
        assert_eq!(worst.fold(0.0, f64::max), 900.0);
        assert!(sample(5000).len() < 200_000);
    }
}
