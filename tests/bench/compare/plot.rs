//! The plot: a row for each question, in it a line for each engine from its median to its 99th percentile.

use std::fmt::Write;

use crate::questions::QUESTIONS;
use crate::result::{Run, time};

/// One colour an engine, to be told apart on white and on black; the first is ours.
const COLOURS: [&str; 6] = ["#d9480f", "#1c7ed6", "#15aabf", "#2f9e44", "#9c6ade", "#868e96"];
const LEFT: f64 = 285.0;
const WIDTH: f64 = 900.0;
const TOP: f64 = 56.0;
const STEP: f64 = 8.0;

/// An SVG document that follows the reader's colour scheme.
pub fn draw(run: &Run) -> String {
    let engines = run.outcomes.len();
    let row = STEP * engines as f64 + 10.0;
    let height = TOP + row * QUESTIONS.len() as f64 + 30.0;
    let times = run.outcomes.iter().filter_map(|(_, outcome)| outcome.measured());
    let times = times.flat_map(|one| &one.answers).flat_map(|one| [one.quantile(50), one.quantile(99)]);
    let (least, most) = times.fold((1.0, 1e-3), |(least, most): (f64, f64), t| (least.min(t), most.max(t)));
    let (least, most) = (least.log10().floor(), most.log10().ceil());
    let x = |seconds: f64| LEFT + (seconds.log10() - least) / (most - least) * (WIDTH - LEFT - 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>{} subjects: time of a count by question and engine, logarithmic</title>\n\
         <style>text{{fill:#212529}}.grid{{stroke:#adb5bd;stroke-width:.5}}\
         @media(prefers-color-scheme:dark){{text{{fill:#e9ecef}}.grid{{stroke:#495057}}}}</style>\n",
        run.size
    );
    let mut add = |line: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _written = svg.write_fmt(line);
    };
    add(format_args!(
        "<text x=\"10\" y=\"20\" font-weight=\"bold\">{} subjects: dot = median, line to the 99th percentile</text>\n",
        run.size
    ));
    for (at, ((title, _), colour)) in run.outcomes.iter().zip(COLOURS).enumerate() {
        let left = 10.0 + 147.0 * at as f64;
        add(format_args!(
            "<circle cx=\"{}\" cy=\"36\" r=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"40\">{title}</text>\n",
            left + 4.0,
            left + 13.0
        ));
    }
    for power in least as i32..=most as i32 {
        let seconds = 10f64.powi(power);
        add(format_args!(
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1}\"/>\
             <text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>\n",
            x(seconds),
            height - 26.0,
            height - 10.0,
            time(seconds * 1.000_001).replace(".00", "").replace(".0", "")
        ));
    }
    for (number, question) in QUESTIONS.iter().enumerate() {
        let top = TOP + row * number as f64;
        add(format_args!(
            "<line class=\"grid\" x1=\"10\" x2=\"{WIDTH}\" y1=\"{top}\" y2=\"{top}\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"end\">{}. {question}</text>\n",
            LEFT - 10.0,
            top + row / 2.0 + 4.0,
            number + 1
        ));
        for (at, ((_, outcome), colour)) in run.outcomes.iter().zip(COLOURS).enumerate() {
            let Some(answer) = outcome.measured().and_then(|one| one.answers.get(number)) else { continue };
            let (half, far) = (x(answer.quantile(50)), x(answer.quantile(99)));
            let y = top + 9.0 + STEP * at as f64;
            add(format_args!(
                "<path d=\"M{half:.1} {y}H{far:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <circle cx=\"{half:.1}\" cy=\"{y}\" r=\"3.5\" fill=\"{colour}\"/>\n"
            ));
        }
    }
    svg.push_str("</svg>\n");
    svg
}
