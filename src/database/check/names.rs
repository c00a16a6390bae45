//! Whether a program has the quantities that a posterior's description and its reference name.

use std::collections::HashSet;

use super::Findings;
use super::reference::quantities;
use crate::database::Posterior;
use crate::draws::{Reference, variable};

impl Posterior {
    /// Holds the names in the posterior's description and its reference, if it has one that can be used, against those
    /// of the compiled program, in Stan's style. A reference may leave out whole variables of the program, but no
    /// element of a variable that it has.
    pub fn check_names(&self, reference: Option<&Reference>, program: &[String], findings: &mut Findings) {
        let names: HashSet<&str> = program.iter().map(String::as_str).collect();
        let variables: HashSet<&str> = program.iter().map(|name| variable(name)).collect();
        let model = &self.model_name;
        if let Some((unknown, _)) = self.dimensions.iter().find(|(name, _)| !variables.contains(name.as_str())) {
            findings.problem(format!("the posterior's `dimensions` name {unknown}, which the program {model} lacks"));
        }
        let Some(reference) = reference else { return };
        let known: HashSet<&str> = quantities(reference).collect();
        if let Some(unknown) = quantities(reference).find(|name| !names.contains(name)) {
            findings
                .problem(format!("the reference `{}` has {unknown}, which the program {model} lacks", reference.name));
        }
        let variables: HashSet<&str> = known.iter().map(|name| variable(name)).collect();
        let is_absent = |name: &&String| variables.contains(variable(name)) && !known.contains(name.as_str());
        if let Some(absent) = program.iter().find(is_absent) {
            findings
                .problem(format!("the reference `{}` lacks {absent}, which the program {model} has", reference.name));
        }
    }
}
