//! Histograms: as the outline of a plot, and as characters beside a number.

/// The share of draws that the ends of a histogram may leave out, on either side: a far draw would flatten all others.
const LEFT_OUT: f64 = 0.0025;

/// How many draws fall into bins of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The lower end of the first bin and the upper end of the last.
    pub range: (f64, f64),
    /// The share of all draws per unit, in each bin.
    pub density: Vec<f64>,
}

impl Histogram {
    /// Counts `draws` in `bins` bins over `range`. What is outside is counted in no bin, but as a draw.
    pub fn new(draws: &[f64], range: (f64, f64), bins: usize) -> Self {
        let width = (range.1 - range.0) / bins as f64;
        let mut density = vec![0.0; bins];
        let unit = 1.0 / (width * draws.len().max(1) as f64);
        for draw in draws.iter().filter(|&&draw| draw >= range.0 && draw <= range.1) {
            let bin = ((draw - range.0) / width) as usize;
            density[bin.min(bins - 1)] += unit;
        }
        Self { range, density }
    }

    /// The corners of its upper edge, from left to right.
    pub fn outline(&self) -> Vec<(f64, f64)> {
        let width = (self.range.1 - self.range.0) / self.density.len() as f64;
        let corner = |bin: usize| self.range.0 + width * bin as f64;
        let steps = self.density.iter().enumerate();
        steps.flat_map(|(bin, &height)| [(corner(bin), height), (corner(bin + 1), height)]).collect()
    }

    /// The height of its highest bin.
    pub fn height(&self) -> f64 {
        self.density.iter().copied().fold(0.0, f64::max)
    }
}

/// Where nearly all of the finite draws lie, over several sets of them; none without any.
pub fn common_range(sets: &[&[f64]]) -> Option<(f64, f64)> {
    let mut range: Option<(f64, f64)> = None;
    for set in sets {
        let mut ascending: Vec<f64> = set.iter().copied().filter(|draw| draw.is_finite()).collect();
        if ascending.is_empty() {
            continue;
        }
        ascending.sort_by(f64::total_cmp);
        let left_out = (LEFT_OUT * ascending.len() as f64) as usize;
        let (from, to) = (ascending[left_out], ascending[ascending.len() - 1 - left_out]);
        range = Some(range.map_or((from, to), |(lowest, highest)| (lowest.min(from), highest.max(to))));
    }
    range.map(|(from, to)| if to > from { (from, to) } else { around(from) })
}

/// A range for what is constant.
fn around(value: f64) -> (f64, f64) {
    let margin = 0.5 * value.abs().max(1.0);
    (value - margin, value + margin)
}

/// A histogram of `draws` as a line of `bins` characters, each an eighth to eight eighths high; a space for a bin
/// without draws. Empty without finite draws.
pub fn blocks(draws: &[f64], bins: usize) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(range) = common_range(&[draws]) else { return String::new() };
    let histogram = Histogram::new(draws, range, bins);
    let eighths = |density: &f64| (8.0 * density / histogram.height()).ceil().clamp(0.0, 8.0) as usize;
    histogram.density.iter().map(|density| BLOCKS[eighths(density)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_area_is_the_share_of_draws_within(
            draws in prop::collection::vec(-10.0..10.0_f64, 2..200), from in -9.0..0.0_f64, width in 0.1..20.0_f64, bins in 1..50_usize,
        ) {
            let range = (from, from + width);
            let histogram = Histogram::new(&draws, range, bins);
            let area = histogram.density.iter().sum::<f64>() * width / bins as f64;
            let within = draws.iter().filter(|&&draw| draw >= range.0 && draw <= range.1).count();
            prop_assert!((area - within as f64 / draws.len() as f64).abs() < 1e-9);
        }
    }

    #[test]
    fn blocks_show_the_shape() {
        let triangle: Vec<f64> = (1..=8).flat_map(|k| vec![k as f64; k]).collect();
        assert_eq!(blocks(&triangle, 8), "▁▂▃▄▅▆▇█");
        assert_eq!(blocks(&[0.0, 0.0, 1.0], 3), "█ ▄");
        assert_eq!(blocks(&[f64::NAN], 3), "");
        assert_eq!(blocks(&[2.0; 5], 3), " █ ");
    }

    #[test]
    fn a_far_draw_does_not_flatten_the_others() {
        let mut draws: Vec<f64> = (0..1000).map(f64::from).collect();
        draws.push(1e12);
        let (from, to) = common_range(&[&draws]).unwrap();
        assert!(from >= 0.0 && to < 1000.0, "{from} {to}");
    }

    #[test]
    fn the_outline_is_made_of_steps() {
        let histogram = Histogram { range: (0.0, 2.0), density: vec![0.25, 0.75] };
        assert_eq!(histogram.outline(), [(0.0, 0.25), (1.0, 0.25), (1.0, 0.75), (2.0, 0.75)]);
    }
}
