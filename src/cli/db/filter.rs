//! The options that choose among a database's posteriors.

use std::ops::RangeInclusive;

use stanmatch::database::Selection;

/// Which posteriors are meant; all that are not left out.
#[derive(clap::Args, Clone)]
pub struct Filter {
    /// Names or aliases of posteriors, or patterns with `*` and `?`
    #[arg(value_name = "NAME|PATTERN")]
    patterns: Vec<String>,

    /// Only posteriors with reference draws
    #[arg(long)]
    has_reference: bool,

    /// Only posteriors without reference draws
    #[arg(long, conflicts_with = "has_reference")]
    no_reference: bool,

    /// Only posteriors with this number of scalar quantities, or a number in this inclusive range: 5..50, 100.., ..10
    #[arg(long, value_name = "RANGE", value_parser = range)]
    dimension: Option<RangeInclusive<usize>>,

    /// Only posteriors with this keyword, whatever its case; if given several times, all are required
    #[arg(long, value_name = "WORD")]
    keyword: Vec<String>,
}

/// A range of sizes, both ends included.
fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let number = |part: &str, open: usize| match part.trim() {
        "" => Ok(open),
        part => part.parse().map_err(|_| format!("`{part}` is not a whole number")),
    };
    let (least, most) = match text.split_once("..") {
        Some((least, most)) => (number(least, 0)?, number(most.trim_start_matches('='), usize::MAX)?),
        None if text.trim().is_empty() => return Err("give a number or a range such as 5..50".to_owned()),
        None => (number(text, 0)?, number(text, 0)?),
    };
    if least > most { Err(format!("the range from {least} to {most} is empty")) } else { Ok(least..=most) }
}

impl Filter {
    /// The one name that is asked for, where nothing else is.
    pub fn single_name(&self) -> Option<&str> {
        let Self { patterns, has_reference: false, no_reference: false, dimension: None, keyword } = self else {
            return None;
        };
        match patterns.as_slice() {
            [name] if keyword.is_empty() && !Selection::is_pattern(name) => Some(name),
            _ => None,
        }
    }

    /// Which posteriors are meant.
    pub fn selection(&self) -> Selection {
        Selection {
            patterns: self.patterns.clone(),
            reference: (self.has_reference || self.no_reference).then_some(self.has_reference),
            quantities: self.dimension.clone(),
            keywords: self.keyword.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_their_ends() {
        assert_eq!(range("7"), Ok(7..=7));
        assert_eq!(range("5..50"), Ok(5..=50));
        assert_eq!(range("5..=50"), Ok(5..=50));
        assert_eq!(range("..10"), Ok(0..=10));
        assert_eq!(range("100.."), Ok(100..=usize::MAX));
        for bad in ["", "x", "5..x", "9..3", "-1", "1.5"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
