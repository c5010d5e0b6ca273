//! The report: for each trouble a histogram of who tried to come back when, in one SVG.

use std::fmt::Write as _;
use std::path::PathBuf;

/// One panel: attempts in each 100 ms after a trouble.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// First attempts after a loss, and all attempts.
    pub(crate) bins: [Vec<u32>; 2],
}

const WIDTH: usize = 900;
const HEIGHT: usize = 130;
const LEFT: usize = 50;
const TOP: usize = 34;
/// What of a panel is bars.
const BARS: usize = 70;

/// Draws the panels below one another: all attempts in grey, the first ones in front of them.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        panels.len() * HEIGHT
    );
    for (place, panel) in panels.iter().enumerate() {
        draw(&mut out, place * HEIGHT, panel);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, y: usize, panel: &Panel) {
    let [first, all] = &panel.bins;
    let most = all.iter().copied().max().unwrap_or(0).max(1);
    let count = all.len().max(10);
    let width = (WIDTH - LEFT - 10) as f64 / count as f64;
    let base = y + TOP + BARS;
    let mut line = |text: std::fmt::Arguments<'_>| {
        out.write_fmt(text).expect("a String takes it");
        out.push('\n');
    };
    line(format_args!(
        "<text x=\"{LEFT}\" y=\"{}\">{}: {} attempts, at most {most} in 100 ms</text>",
        y + 20,
        panel.title,
        all.iter().sum::<u32>()
    ));
    for (bins, colour) in [(all, "#bbb"), (first, "#07c")] {
        for (bin, n) in bins.iter().enumerate().filter(|(_, n)| **n > 0) {
            let height = f64::from(*n) / f64::from(most) * BARS as f64;
            line(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                LEFT as f64 + width * bin as f64,
                base as f64 - height,
                (width - 1.0).max(0.5)
            ));
        }
    }
    for second in 0..=count / 10 {
        line(format_args!(
            "<text x=\"{:.1}\" y=\"{}\" fill=\"#555\">{second} s</text>",
            LEFT as f64 + width * 10.0 * second as f64,
            base + 16
        ));
    }
}

/// Writes it where cargo keeps what tests write, and says where.
pub(crate) fn report(panels: &[Panel]) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cluster.svg");
    std::fs::write(&path, svg(panels)).expect("cargo's folder for tests can be written to");
    println!("who came back when: {}", path.display());
}

#[test]
fn a_panel_shows_its_bins() {
    let panel = Panel {
        title: "a node killed".to_owned(),
        bins: [vec![0, 2, 0], vec![0, 2, 4]],
    };
    let text = svg(&[panel]);
    assert!(
        text.contains("a node killed: 6 attempts, at most 4 in 100 ms"),
        "{text}"
    );
    // Two bars of all attempts, one of first ones; half as high, as high, half as high.
    let heights: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.split_once("height=\"")?
                .1
                .split_once("\" fill=\"#")?
                .0
                .into()
        })
        .collect();
    assert_eq!(heights, ["35.0", "70.0", "35.0"], "{text}");
}
