//! Lines and bars as SVG, with nothing in it that is fetched from elsewhere.

use std::fmt::Write;

use super::axis::{Axis, text};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
/// Around what is drawn: for the figures and the title.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 48.0;
/// Told apart by people who see few colours as well.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const BAR: f64 = 24.0;

/// Lines over a common axis.
#[derive(Debug)]
pub struct Chart {
    pub title: String,
    pub x: &'static str,
    pub y: &'static str,
    /// Whether the vertical axis grows by powers of ten.
    pub logarithmic: bool,
    pub lines: Vec<Line>,
}

/// One of them.
#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Bars, each with its figure.
#[derive(Debug)]
pub struct Bars {
    pub title: String,
    pub unit: &'static str,
    pub figures: Vec<(String, f64)>,
}

impl Chart {
    /// As a document.
    pub fn render(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let xs = Axis::of(points().map(|(x, _)| *x), false);
        let ys = Axis::of(points().map(|(_, y)| *y), self.logarithmic);
        let x_at = |x: f64| LEFT + xs.place(x) * (WIDTH - LEFT - RIGHT);
        let y_at = |y: f64| HEIGHT - BOTTOM - ys.place(y) * (HEIGHT - TOP - BOTTOM);
        let mut svg = begin(HEIGHT, &self.title);
        for tick in ys.ticks() {
            let (y, right) = (y_at(tick), WIDTH - RIGHT);
            let _ = writeln!(svg, r##"<path d="M{LEFT} {y:.1}H{right}" stroke="#ddd"/>"##);
            label(&mut svg, (LEFT - 6.0, y + 4.0), "end", &text(tick));
        }
        for tick in xs.ticks() {
            label(&mut svg, (x_at(tick), HEIGHT - BOTTOM + 18.0), "middle", &text(tick));
        }
        label(&mut svg, (LEFT - 6.0, TOP - 12.0), "end", self.y);
        label(&mut svg, (WIDTH - RIGHT, HEIGHT - 10.0), "end", self.x);
        let mut legend = LEFT;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let place = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", x_at(*x), y_at(*y));
            let places: Vec<String> = line.points.iter().map(place).collect();
            let _ = writeln!(
                svg,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#,
                places.join(" ")
            );
            let y = TOP - 26.0;
            let _ = writeln!(
                svg,
                r#"<rect x="{legend}" y="{y}" width="10" height="10" fill="{colour}"/>"#
            );
            label(&mut svg, (legend + 14.0, y + 9.0), "start", &line.name);
            #[allow(clippy::cast_precision_loss, reason = "the length of a name")]
            let name = line.name.chars().count() as f64;
            legend += 30.0 + 6.5 * name;
        }
        svg + "</svg>\n"
    }
}

impl Bars {
    /// As a document.
    pub fn render(&self) -> String {
        let axis = Axis::of(self.figures.iter().map(|(_, figure)| *figure), false);
        #[allow(clippy::cast_precision_loss, reason = "a few bars")]
        let height = TOP + BAR * self.figures.len() as f64;
        let mut svg = begin(height, &self.title);
        let (left, mut y) = (LEFT + 48.0, TOP - 16.0);
        for (name, figure) in &self.figures {
            let width = axis.place(*figure) * (WIDTH - left - 100.0);
            let (colour, thick) = (COLOURS[0], BAR - 6.0);
            label(&mut svg, (left - 6.0, y + 13.0), "end", name);
            let _ = writeln!(
                svg,
                r#"<rect x="{left}" y="{y}" width="{width:.1}" height="{thick}" fill="{colour}"/>"#
            );
            let figure = format!("{figure:.0} {}", self.unit);
            label(&mut svg, (left + width + 6.0, y + 13.0), "start", &figure);
            y += BAR;
        }
        svg + "</svg>\n"
    }
}

fn begin(height: f64, title: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let title = escaped(title);
    let _ = writeln!(svg, r#"<text x="{LEFT}" y="22" font-size="15">{title}</text>"#);
    svg
}

fn label(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        svg,
        r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#444">{text}</text>"##
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reaches_from_corner_to_corner() {
        let line = Line { name: "a < b".to_owned(), points: vec![(0.0, 0.0), (10.0, 8.0)] };
        let chart =
            Chart { title: "T".to_owned(), x: "s", y: "ms", logarithmic: false, lines: vec![line] };
        let svg = chart.render();
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let points = format!(r#"points="{LEFT:.1},{bottom:.1} {right:.1},{TOP:.1}""#);
        assert!(svg.contains(&points), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn each_bar_has_its_name_and_its_figure() {
        let figures = vec![("orders".to_owned(), 120.4), ("kafka".to_owned(), 60.0)];
        let svg = Bars { title: "T".to_owned(), unit: "µs", figures }.render();
        assert!(svg.contains(">orders<") && svg.contains(">120 µs<") && svg.contains(">60 µs<"));
    }

    #[test]
    fn nothing_to_draw_is_no_error() {
        let chart =
            Chart { title: String::new(), x: "", y: "", logarithmic: true, lines: Vec::new() };
        assert!(chart.render().contains("</svg>"));
    }
}
