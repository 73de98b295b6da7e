//! Scales: from figures to places on the paper, and the figures that are written beside it. Pure.

/// An axis from its lowest to its highest figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// With room for all figures. A linear one begins at nothing, a logarithmic one at a power of ten.
    pub fn of(figures: impl Iterator<Item = f64>, logarithmic: bool) -> Self {
        let figures =
            figures.filter(|figure| figure.is_finite() && (!logarithmic || *figure > 0.0));
        let (low, high) = figures
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), figure| {
                (low.min(figure), high.max(figure))
            });
        if low > high {
            return Self { low: if logarithmic { 1.0 } else { 0.0 }, high: 10.0, logarithmic };
        }
        if logarithmic {
            let (low, high) = (low.log10().floor(), high.log10().ceil());
            let high = if high > low { high } else { low + 1.0 };
            return Self { low: 10f64.powf(low), high: 10f64.powf(high), logarithmic };
        }
        let step = step(high.max(f64::MIN_POSITIVE));
        Self { low: 0.0, high: (high / step).ceil().max(1.0) * step, logarithmic }
    }

    /// Where a figure is: 0 at the lowest, 1 at the highest.
    pub fn place(&self, figure: f64) -> f64 {
        let place = if self.logarithmic {
            let low = self.low.log10();
            (figure.max(self.low).log10() - low) / (self.high.log10() - low)
        } else {
            (figure - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }

    /// Figures to be written beside it.
    pub fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let step = step(self.high);
        let mut tick = self.low;
        // A little more, so that the highest is not lost to rounding.
        while tick <= self.high * 1.000_001 {
            ticks.push(tick);
            tick = if self.logarithmic { tick * 10.0 } else { tick + step };
        }
        ticks
    }
}

/// A round number of which four to ten make a figure.
fn step(figure: f64) -> f64 {
    let power = 10f64.powf(figure.log10().floor());
    let steps = [0.1, 0.2, 0.25, 0.5, 1.0, 2.0].into_iter().map(|factor| factor * power);
    steps.into_iter().find(|step| figure / step <= 8.0).unwrap_or(power)
}

/// A figure without digits that say nothing.
pub fn text(figure: f64) -> String {
    let text = if figure.abs() < 10.0 { format!("{figure:.2}") } else { format!("{figure:.0}") };
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_nothing_and_ends_at_a_round_figure() {
        let axis = Axis::of([300.0, 3712.0].into_iter(), false);
        assert_eq!(
            axis.ticks(),
            [0.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0]
        );
        assert_eq!((axis.place(0.0), axis.place(2000.0), axis.place(4000.0)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn a_logarithmic_axis_has_whole_powers_of_ten() {
        let axis = Axis::of([0.0, 2.5, 730.0].into_iter(), true);
        assert_eq!(axis.ticks(), [1.0, 10.0, 100.0, 1000.0]);
        assert!((axis.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(axis.place(0.0), 0.0);
    }

    #[test]
    fn there_is_an_axis_where_there_are_no_figures() {
        for logarithmic in [false, true] {
            let axis = Axis::of([].into_iter(), logarithmic);
            assert!(axis.place(5.0) > 0.0 && !axis.ticks().is_empty());
        }
        assert_eq!(Axis::of([0.0].into_iter(), false).place(0.0), 0.0);
    }

    #[test]
    fn figures_are_written_shortly() {
        for (figure, written) in
            [(0.0, "0"), (2.5, "2.5"), (10.0, "10"), (4000.0, "4000"), (0.25, "0.25")]
        {
            assert_eq!(text(figure), written);
        }
    }
}
