//! Plots as SVG: drawn for the width of a phone, and scaled up from there. Colours are those of the page's style.

use std::fmt::Write as _;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;

/// More than these cannot be told apart.
pub(super) const MOST: usize = 300;

/// One line of a plot.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// By the plot's times; `None` is a gap.
    pub(super) values: Vec<Option<f64>>,
}

/// Values over time.
pub(super) struct Plot {
    pub(super) title: &'static str,
    /// What stands at the axis.
    pub(super) unit: &'static str,
    /// Equal steps are equal factors: for what has a long tail.
    pub(super) logarithmic: bool,
    /// Seconds from the start.
    pub(super) times: Vec<f64>,
    pub(super) series: Vec<Series>,
}

/// The scale of one axis.
struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to at least `most`, with round ticks.
    fn linear(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let raw = most / 4.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|step| step * power)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(raw);
        let count = (most / step).ceil().max(1.0);
        Self {
            from: 0.0,
            to: step * count,
            logarithmic: false,
            ticks: (0..=count as u32).map(|at| f64::from(at) * step).collect(),
        }
    }

    /// Whole powers of ten around what is to be shown.
    fn logarithmic(least: f64, most: f64) -> Self {
        let from = least.max(1e-3).log10().floor();
        let to = most.max(1e-3).log10().ceil().max(from + 1.0);
        Self {
            from: 10f64.powf(from),
            to: 10f64.powf(to),
            logarithmic: true,
            ticks: (from as i32..=to as i32)
                .map(|power| 10f64.powi(power))
                .collect(),
        }
    }

    /// Where a value lies, 0 to 1.
    fn at(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            let (from, to) = (self.from.log10(), self.to.log10());
            (value.max(self.from).log10() - from) / (to - from)
        } else {
            (value - self.from) / (self.to - self.from)
        };
        place.clamp(0.0, 1.0)
    }
}

/// A number at an axis.
fn label(value: f64) -> String {
    let short = |value: f64, end: &str| {
        let text = format!("{value:.3}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{end}")
    };
    match value.abs() {
        size if size >= 1e6 => short(value / 1e6, "M"),
        size if size >= 1e4 => short(value / 1e3, "k"),
        size if size > 0.0 && size < 0.01 => format!("{value}"),
        _ => short(value, ""),
    }
}

fn x(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn y(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

fn open(out: &mut String, title: &str) {
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
    );
}

fn axis_y(out: &mut String, scale: &Scale) {
    for tick in &scale.ticks {
        let at = y(scale.at(*tick));
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 5.0,
            at + 3.5,
            label(*tick)
        );
    }
}

fn axis_x(out: &mut String, scale: &Scale, unit: &str) {
    let last = scale.ticks.len().saturating_sub(1);
    for (index, tick) in scale.ticks.iter().enumerate() {
        let place = scale.at(*tick);
        // The last one ends at the edge, so that it is not cut off.
        let (class, unit) = if index == last {
            ("end", unit)
        } else {
            ("middle", "")
        };
        let _ = write!(
            out,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{}\">{}{unit}</text>",
            x(place),
            HEIGHT - 6.0,
            label(*tick)
        );
    }
}

impl Plot {
    /// A figure of HTML.
    pub(super) fn draw(&self) -> String {
        let values = || {
            self.series
                .iter()
                .flat_map(|series| series.values.iter().flatten())
        };
        let most = values().copied().fold(0.0, f64::max);
        let least = values().copied().fold(f64::INFINITY, f64::min);
        let scale = if self.logarithmic && least.is_finite() {
            Scale::logarithmic(least, most)
        } else {
            Scale::linear(most)
        };
        let time = Scale::linear(self.times.last().copied().unwrap_or(1.0));
        let mut out = String::new();
        let _ = write!(out, "<figure><figcaption><b>{}</b>", self.title);
        for (index, series) in self.series.iter().enumerate() {
            let _ = write!(
                out,
                " <span><i class=\"k{index}\"></i>{}</span>",
                series.name
            );
        }
        let _ = write!(out, " <small>{}</small></figcaption>", self.unit);
        open(&mut out, self.title);
        axis_y(&mut out, &scale);
        axis_x(&mut out, &time, " s");
        for (index, series) in self.series.iter().enumerate() {
            let mut path = String::new();
            let mut pen_up = true;
            for (at, value) in self.times.iter().zip(&series.values) {
                let Some(value) = value else {
                    pen_up = true;
                    continue;
                };
                let command = if pen_up { 'M' } else { 'L' };
                let (x, y) = (x(time.at(*at)), y(scale.at(*value)));
                let _ = write!(path, "{command}{x:.1} {y:.1}");
                pen_up = false;
            }
            // A single point is a line without length, which round ends make visible.
            if path.matches(['M', 'L']).count() == 1 {
                path.push_str("h0");
            }
            let _ = write!(out, "<path class=\"line s{index}\" d=\"{path}\"/>");
        }
        out.push_str("</svg></figure>");
        out
    }
}

/// A histogram: how many there are of each size, sizes by equal factors.
pub(super) fn histogram(title: &str, buckets: &[(u64, u64)]) -> String {
    /// Bars for each factor of ten.
    const FINE: f64 = 12.0;
    let slot = |micros: u64| ((micros.max(1) as f64 / 1000.0).log10() * FINE).floor() as i64;
    let mut bars = std::collections::BTreeMap::<i64, u64>::new();
    for (micros, count) in buckets {
        *bars.entry(slot(*micros)).or_default() += count;
    }
    let (Some((&first, _)), Some((&last, _))) = (bars.first_key_value(), bars.last_key_value())
    else {
        return String::new();
    };
    let size = |slot: i64| 10f64.powf(slot as f64 / FINE);
    let sizes = Scale::logarithmic(size(first), size(last + 1));
    let counts = Scale::linear(bars.values().copied().max().unwrap_or(1) as f64);
    let mut out = String::new();
    let _ = write!(
        out,
        "<figure><figcaption><b>{title}</b> <small>how many, by ms</small></figcaption>"
    );
    open(&mut out, title);
    axis_y(&mut out, &counts);
    axis_x(&mut out, &sizes, " ms");
    for (slot, count) in bars {
        let (from, to) = (x(sizes.at(size(slot))), x(sizes.at(size(slot + 1))));
        let top = y(counts.at(count as f64)).min(y(0.0) - 1.0);
        let _ = write!(
            out,
            "<rect class=\"bar\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{count} of {:.2} to {:.2} ms</title></rect>",
            (to - from - 0.5).max(0.5),
            y(0.0) - top,
            size(slot),
            size(slot + 1)
        );
    }
    out.push_str("</svg></figure>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all() {
        for most in [0.0, 0.3, 1.0, 7.0, 99.0, 1234.0, 5e7] {
            let scale = Scale::linear(most);
            assert!(
                scale.to >= most && scale.ticks.len() <= 6,
                "{most}: {:?}",
                scale.ticks
            );
        }
        assert_eq!(Scale::linear(8.0).ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::logarithmic(0.3, 20.0).ticks, [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(
            ["0", "2.5", "15k", "1.2M"],
            [0.0, 2.5, 15_000.0, 1.2e6]
                .map(label)
                .each_ref()
                .map(String::as_str)
        );
    }

    #[test]
    fn gaps_are_gaps_and_one_point_is_seen() {
        let plot = |values: Vec<Option<f64>>| Plot {
            title: "t",
            unit: "ms",
            logarithmic: true,
            times: (1..=values.len()).map(|at| at as f64).collect(),
            series: vec![Series {
                name: "p50",
                values,
            }],
        };
        let drawn = plot(vec![Some(1.0), None, Some(2.0), Some(3.0)]).draw();
        let path = drawn.split("class=\"line s0\" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(
            (path.matches('M').count(), path.matches('L').count()),
            (2, 1),
            "{path}"
        );
        assert!(plot(vec![Some(1.0)]).draw().contains("h0"));
        assert!(plot(vec![None]).draw().contains("d=\"\""));
    }

    #[test]
    fn a_histogram_counts_all() {
        let drawn = histogram("h", &[(100, 1), (1000, 5), (1001, 5), (900_000, 2)]);
        assert!(
            drawn.contains("<title>10 of 1.00 to 1.21 ms</title>"),
            "{drawn}"
        );
        assert_eq!(drawn.matches("<rect").count(), 3);
        assert_eq!(histogram("h", &[]), "");
    }
}
