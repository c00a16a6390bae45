//! What any two sets of draws have in common.

use super::CompareError;
use crate::draws::{Draws, Reference, stan_name};
use ndarray::Axis;
use std::collections::HashSet;

/// A reference without the quantities that cannot be compared, and which those are.
#[derive(Debug)]
pub struct Shared {
    /// The reference with the quantities that the draws have too.
    pub reference: Reference,
    /// Quantities of the reference that the draws lack.
    pub not_in_draws: Vec<String>,
    /// Quantities of both that the reference itself has no finite draws of.
    pub not_finite: Vec<String>,
}

/// Takes from a reference that is any tool's draws what can be compared with `draws`. A posterior's own reference is
/// not to be cut down so: of draws that lack a part of it nobody can say that they are within tolerance.
///
/// # Errors
/// When nothing is left.
pub fn shared(reference: Reference, draws: &Draws) -> Result<Shared, CompareError> {
    let ours: HashSet<String> = draws.names().iter().map(|name| stan_name(name)).collect();
    let (mut columns, mut not_in_draws, mut not_finite) = (Vec::new(), Vec::new(), Vec::new());
    for (column, name) in reference.draws.names().iter().enumerate().filter(|(_, name)| !name.ends_with("__")) {
        if !ours.contains(&stan_name(name)) {
            not_in_draws.push(name.clone());
        } else if reference.draws.values().column(column).iter().any(|value| !value.is_finite()) {
            not_finite.push(name.clone());
        } else {
            columns.push(column);
        }
    }
    if columns.is_empty() && !not_finite.is_empty() {
        return Err(CompareError::NothingFinite { reference: reference.name, names: not_finite });
    }
    if columns.is_empty() {
        return Err(CompareError::NothingShared { reference: reference.name, names: not_in_draws });
    }
    let names = columns.iter().map(|&column| reference.draws.names()[column].clone()).collect();
    let values = reference.draws.values().select(Axis(1), &columns);
    let chains = reference.draws.chain_lengths().to_vec();
    let kept = Draws::new(names, values, chains).expect("columns of draws are draws");
    Ok(Shared { reference: Reference { draws: kept, ..reference }, not_in_draws, not_finite })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::ReferenceInfo;
    use ndarray::array;

    #[test]
    fn every_quantity_is_accounted_for() {
        let draws = |names: &[&str], values| {
            Draws::new(names.iter().map(|name| name.to_string()).collect(), values, vec![2]).unwrap()
        };
        let values = array![[1.0, 2.0, f64::NAN, 4.0, 0.0], [5.0, 6.0, 7.0, 8.0, 0.0]];
        let theirs = draws(&["mu", "theta[1]", "bad", "extra", "lp__"], values);
        let reference = || Reference { name: "r".into(), draws: theirs.clone(), info: ReferenceInfo::default() };
        let ours = draws(&["theta.1", "bad", "mu", "more"], array![[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]);
        let shared = super::shared(reference(), &ours).unwrap();
        assert_eq!(shared.reference.draws.names(), ["mu", "theta[1]"]);
        assert_eq!(shared.reference.draws.values(), array![[1.0, 2.0], [5.0, 6.0]]);
        assert_eq!((shared.not_in_draws, shared.not_finite), (vec!["extra".to_owned()], vec!["bad".to_owned()]));
        let other = draws(&["nu", "lp__"], array![[1.0, 1.0], [2.0, 2.0]]);
        let message = super::shared(reference(), &other).unwrap_err().to_string();
        assert!(message.contains("mu, theta[1]"), "{message}");
        let bad = draws(&["bad"], array![[1.0], [2.0]]);
        let message = super::shared(reference(), &bad).unwrap_err().to_string();
        assert_eq!(
            message,
            "every quantity shared with the reference `r` has reference draws that are not finite: bad"
        );
    }
}
