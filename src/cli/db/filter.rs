//! The options that choose among a database's posteriors.

use std::str::FromStr;

use stanmatch::database::{Database, DatabaseError, Posterior};
use wildmatch::WildMatch;

/// Which posteriors are meant; all that are not left out.
#[derive(clap::Args, Clone)]
pub struct Filter {
    /// Posteriors of these names or aliases, or of those that a pattern with `*` and `?` fits
    #[arg(value_name = "NAME|PATTERN")]
    patterns: Vec<String>,

    /// Only posteriors with reference draws
    #[arg(long)]
    has_reference: bool,

    /// Only posteriors without reference draws
    #[arg(long, conflicts_with = "has_reference")]
    no_reference: bool,

    /// Only posteriors with so many scalar quantities: a number, or a range such as 5..50, 100.. or ..10, ends included
    #[arg(long, value_name = "RANGE")]
    dimension: Option<Range>,

    /// Only posteriors with this keyword, in whatever case; may be given several times, then all are needed
    #[arg(long, value_name = "WORD")]
    keyword: Vec<String>,
}

/// A range of sizes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    least: usize,
    most: usize,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str, open: usize| match part.trim() {
            "" => Ok(open),
            part => part.parse().map_err(|_| format!("`{part}` is no whole number")),
        };
        let (least, most) = match text.split_once("..") {
            Some((least, most)) => (number(least, 0)?, number(most.trim_start_matches('='), usize::MAX)?),
            None if text.trim().is_empty() => return Err("give a number or a range such as 5..50".to_owned()),
            None => (number(text, 0)?, number(text, 0)?),
        };
        if least > most { Err(format!("no number is from {least} to {most}")) } else { Ok(Self { least, most }) }
    }
}

/// The chosen posteriors, in the order of their names, and what could not be read.
pub struct Chosen {
    pub posteriors: Vec<Posterior>,
    /// Names of broken descriptions, with what is wrong.
    pub broken: Vec<(String, DatabaseError)>,
}

/// How many scalars a posterior's described quantities have; None where none are described.
pub fn dimension(posterior: &Posterior) -> Option<usize> {
    let sizes = posterior.dimensions.iter().map(|(_, size)| size);
    (!posterior.dimensions.is_empty()).then(|| sizes.sum())
}

impl Filter {
    /// The one name that is asked for, where nothing else is.
    pub fn single_name(&self) -> Option<&str> {
        let Self { patterns, has_reference: false, no_reference: false, dimension: None, keyword } = self else {
            return None;
        };
        match patterns.as_slice() {
            [name] if keyword.is_empty() && !is_pattern(name) => Some(name),
            _ => None,
        }
    }

    /// The posteriors of `database` that are meant.
    ///
    /// # Errors
    /// When a name is asked for that the database lacks.
    pub fn choose(&self, database: &Database) -> Result<Chosen, DatabaseError> {
        let names = self.names(database)?;
        let mut chosen = Chosen { posteriors: Vec::new(), broken: Vec::new() };
        for name in names {
            // One broken description must not hide the others.
            match database.posterior(&name) {
                Ok(posterior) if self.admits(&posterior) => chosen.posteriors.push(posterior),
                Ok(_) => {}
                Err(error) => chosen.broken.push((name, error)),
            }
        }
        Ok(chosen)
    }

    fn names(&self, database: &Database) -> Result<Vec<String>, DatabaseError> {
        let all = database.posterior_names();
        if self.patterns.is_empty() {
            return Ok(all.to_vec());
        }
        // Without aliases that can be read, names still do.
        let aliases = database.aliases().unwrap_or_default();
        let mut wanted = Vec::new();
        for pattern in &self.patterns {
            if all.contains(pattern) {
                wanted.push(pattern.clone());
            } else if !is_pattern(pattern) {
                wanted.push(database.posterior(pattern)?.name);
            } else {
                let matcher = WildMatch::new(pattern);
                let by_alias = aliases.iter().filter(|(alias, _)| matcher.matches(alias)).map(|(_, name)| name);
                wanted.extend(all.iter().filter(|name| matcher.matches(name)).chain(by_alias).cloned());
            }
        }
        Ok(all.iter().filter(|name| wanted.contains(name)).cloned().collect())
    }

    fn admits(&self, posterior: &Posterior) -> bool {
        let has = |word: &String| posterior.keywords.iter().any(|it| it.to_lowercase() == word.to_lowercase());
        let fits = |range: Range| dimension(posterior).is_some_and(|it| (range.least..=range.most).contains(&it));
        (!self.has_reference || posterior.has_reference())
            && (!self.no_reference || !posterior.has_reference())
            && self.dimension.is_none_or(fits)
            && self.keyword.iter().all(has)
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_their_ends() {
        let range = |least, most| Ok(Range { least, most });
        assert_eq!("7".parse::<Range>(), range(7, 7));
        assert_eq!("5..50".parse::<Range>(), range(5, 50));
        assert_eq!("5..=50".parse::<Range>(), range(5, 50));
        assert_eq!("..10".parse::<Range>(), range(0, 10));
        assert_eq!("100..".parse::<Range>(), range(100, usize::MAX));
        for bad in ["", "x", "5..x", "9..3", "-1", "1.5"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
