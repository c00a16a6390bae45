//! Draws of named scalar quantities, grouped in chains: what every sampler and fit produces and every comparison reads.

mod reference;

pub use reference::{Reference, ReferenceInfo, Summaries};

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use thiserror::Error;

/// Draws of named scalars. Rows are draws, chain after chain; columns are quantities.
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    names: Vec<String>,
    values: Array2<f64>,
    chain_lengths: Vec<usize>,
}

/// Why values do not form draws.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DrawsError {
    /// The table is not as wide as there are names.
    #[error("there are {names} names for {columns} columns of draws")]
    Columns {
        /// How many names were given.
        names: usize,
        /// How many columns the values have.
        columns: usize,
    },
    /// The chains' lengths do not add up to the number of rows.
    #[error("the chains have {chains} draws in all, but the table has {rows} rows")]
    Rows {
        /// Sum of the chains' lengths.
        chains: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// Two columns have one name.
    #[error("the name {0} appears twice")]
    Duplicate(String),
}

impl Draws {
    /// Draws from a table of `sum(chain_lengths)` rows and `names.len()` columns. Names are in Stan's own style,
    /// `theta[1,2]` (see [`stan_name`]).
    pub fn new(names: Vec<String>, values: Array2<f64>, chain_lengths: Vec<usize>) -> Result<Self, DrawsError> {
        if names.len() != values.ncols() {
            return Err(DrawsError::Columns { names: names.len(), columns: values.ncols() });
        }
        let chains = chain_lengths.iter().sum();
        if chains != values.nrows() {
            return Err(DrawsError::Rows { chains, rows: values.nrows() });
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(DrawsError::Duplicate(twice.clone()));
        }
        Ok(Self { names, values, chain_lengths })
    }

    /// The quantities' names, in column order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The whole table, draws × quantities.
    pub fn values(&self) -> ArrayView2<'_, f64> {
        self.values.view()
    }

    /// How many draws there are, over all chains.
    pub fn len(&self) -> usize {
        self.values.nrows()
    }

    /// Whether there is no draw.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of each chain.
    pub fn chain_lengths(&self) -> &[usize] {
        &self.chain_lengths
    }

    /// The table of each chain, draws × quantities.
    pub fn chains(&self) -> impl Iterator<Item = ArrayView2<'_, f64>> {
        let mut start = 0;
        self.chain_lengths.iter().map(move |&length| {
            let rows = start..start + length;
            start += length;
            self.values.slice(s![rows, ..])
        })
    }

    /// As many draws of each chain as `lengths` says, evenly spaced, or all where there are fewer.
    pub fn thinned(&self, lengths: &[usize]) -> Self {
        let chosen = self.chains().zip(lengths);
        let chosen = chosen.map(|(chain, &length)| chain.select(Axis(0), &evenly_spaced(chain.nrows(), length)));
        let chosen: Vec<Array2<f64>> = chosen.collect();
        let views: Vec<ArrayView2<f64>> = chosen.iter().map(|chain| chain.view()).collect();
        let values = concatenate(Axis(0), &views).expect("chains have the same quantities");
        Self { names: self.names.clone(), values, chain_lengths: chosen.iter().map(Array2::nrows).collect() }
    }

    /// The draws of one quantity, chain after chain.
    pub fn column(&self, name: &str) -> Option<ArrayView1<'_, f64>> {
        let index = self.names.iter().position(|n| n == name)?;
        Some(self.values.column(index))
    }
}

/// The indices of `kept` of `count` draws, evenly spaced, the last among them; of all where there are no more.
pub fn evenly_spaced(count: usize, kept: usize) -> Vec<usize> {
    let kept = kept.min(count);
    (1..=kept).map(|index| index * count / kept - 1).collect()
}

/// A name as BridgeStan and CmdStan's CSV write it (`theta.1.2`, `pair:1.3`) in Stan's own style (`theta[1,2]`,
/// `pair:1[3]`). Names already in that style are returned as they are, save for spaces after the commas (`theta[1,
/// 2]`).
pub fn stan_name(dotted: &str) -> String {
    // A tuple's element may itself be a container: `pair.2:1.3` is `pair[2]:1[3]`.
    let element = |part: &str| match part.split_once('.') {
        Some((base, indices)) => format!("{base}[{}]", indices.replace('.', ",")),
        None => part.to_owned(),
    };
    dotted.replace(", ", ",").split(':').map(element).collect::<Vec<_>>().join(":")
}

/// The variable that a name in Stan's own style belongs to: the name without indices and elements of tuples.
pub fn variable(name: &str) -> &str {
    name.split(['[', ':']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn names_follow_stan() {
        assert_eq!(stan_name("mu"), "mu");
        assert_eq!(stan_name("theta.1"), "theta[1]");
        assert_eq!(stan_name("Sigma.2.13"), "Sigma[2,13]");
        assert_eq!(stan_name("pair.2:1.3"), "pair[2]:1[3]");
        assert_eq!(stan_name("theta[1,2]"), "theta[1,2]");
        assert_eq!(stan_name("theta[1, 2]"), "theta[1,2]");
        assert_eq!(["mu", "theta[1,2]", "pair[2]:1[3]", "pair:1"].map(variable), ["mu", "theta", "pair", "pair"]);
    }

    #[test]
    fn chains_partition_the_rows() {
        let draws = Draws::new(vec!["a".into()], array![[1.0], [2.0], [3.0]], vec![1, 2]).unwrap();
        let lengths: Vec<_> = draws.chains().map(|chain| chain.nrows()).collect();
        assert_eq!(lengths, [1, 2]);
        assert_eq!(draws.column("a").unwrap().to_vec(), [1.0, 2.0, 3.0]);
        assert!(draws.column("b").is_none());
    }

    #[test]
    fn thinned_chains_keep_what_is_evenly_spaced() {
        let values = array![[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]];
        let draws = Draws::new(vec!["a".into()], values, vec![4, 2]).unwrap();
        let thinned = draws.thinned(&[2, 3]);
        assert_eq!(
            (thinned.column("a").unwrap().to_vec(), thinned.chain_lengths()),
            (vec![2.0, 4.0, 5.0, 6.0], &[2, 2][..])
        );
        assert_eq!(evenly_spaced(10, 4), [1, 4, 6, 9]);
    }

    #[test]
    fn shapes_must_agree() {
        let table = || array![[1.0, 2.0]];
        let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(Draws::new(names(&["a"]), table(), vec![1]), Err(DrawsError::Columns { names: 1, columns: 2 }));
        assert_eq!(Draws::new(names(&["a", "b"]), table(), vec![2]), Err(DrawsError::Rows { chains: 2, rows: 1 }));
        assert_eq!(Draws::new(names(&["a", "a"]), table(), vec![1]), Err(DrawsError::Duplicate("a".into())));
    }
}
