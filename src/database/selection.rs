//! Choosing among a database's posteriors.

use std::ops::RangeInclusive;

use wildmatch::WildMatch;

use super::{Database, DatabaseError, Posterior};

/// Which posteriors are meant; all that are not left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names or aliases, or patterns with `*` and `?` that either may fit; all posteriors when there is none.
    pub patterns: Vec<String>,
    /// Only those with reference draws, or only those without.
    pub reference: Option<bool>,
    /// Only those with so many [`quantities`](Posterior::quantities).
    pub quantities: Option<RangeInclusive<usize>>,
    /// Only those with all these keywords, in whatever case.
    pub keywords: Vec<String>,
}

/// The chosen posteriors, in the order of their names, and what could not be read.
#[derive(Debug)]
pub struct Selected {
    /// The posteriors.
    pub posteriors: Vec<Posterior>,
    /// Names of broken descriptions, with what is wrong: one must not hide the others.
    pub broken: Vec<(String, DatabaseError)>,
}

impl Selection {
    /// Whether a text is a pattern, not a name.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// Whether a posterior, whatever its name, is among those meant.
    pub fn admits(&self, posterior: &Posterior) -> bool {
        let has = |word: &String| posterior.keywords.iter().any(|it| it.to_lowercase() == word.to_lowercase());
        let fits = |range: &RangeInclusive<usize>| posterior.quantities().is_some_and(|count| range.contains(&count));
        self.reference.is_none_or(|wanted| posterior.has_reference() == wanted)
            && self.quantities.as_ref().is_none_or(fits)
            && self.keywords.iter().all(has)
    }
}

impl Database {
    /// The posteriors that `selection` means.
    ///
    /// # Errors
    /// When a name is asked for that the database lacks.
    pub fn select(&self, selection: &Selection) -> Result<Selected, DatabaseError> {
        let mut selected = Selected { posteriors: Vec::new(), broken: Vec::new() };
        for name in self.matching(&selection.patterns)? {
            match self.posterior(&name) {
                Ok(posterior) if selection.admits(&posterior) => selected.posteriors.push(posterior),
                Ok(_) => {}
                Err(error) => selected.broken.push((name, error)),
            }
        }
        Ok(selected)
    }

    /// The names of the posteriors that names, aliases or patterns mean, sorted; all when there is none of them.
    ///
    /// # Errors
    /// When a name is asked for that the database lacks.
    pub fn matching(&self, patterns: &[String]) -> Result<Vec<String>, DatabaseError> {
        let all = self.posterior_names();
        if patterns.is_empty() {
            return Ok(all.to_vec());
        }
        // Without aliases that can be read, names still do.
        let aliases = self.aliases().unwrap_or_default();
        let mut wanted = Vec::new();
        for pattern in patterns {
            if all.contains(pattern) {
                wanted.push(pattern.clone());
            } else if !Selection::is_pattern(pattern) {
                wanted.push(self.posterior(pattern)?.name);
            } else {
                let matcher = WildMatch::new(pattern);
                let by_alias = aliases.iter().filter(|(alias, _)| matcher.matches(alias)).map(|(_, name)| name);
                wanted.extend(all.iter().filter(|name| matcher.matches(name)).chain(by_alias).cloned());
            }
        }
        Ok(all.iter().filter(|name| wanted.contains(name)).cloned().collect())
    }
}
