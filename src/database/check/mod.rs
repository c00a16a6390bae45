//! Whether a database is as posteriordb's layout has it: descriptions, files, archives, shapes and names.

mod names;
mod reference;

use std::collections::HashSet;
use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;

use super::{Database, DatabaseError, Posterior};
use crate::draws::Reference;

/// What a check found, a sentence each, with the file in question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What is wrong.
    pub problems: Vec<String>,
    /// What a user may want to know, though it is allowed.
    pub notes: Vec<String>,
}

impl Findings {
    /// Adds a problem, unless it is among them already.
    pub fn problem(&mut self, what: impl Display) {
        let what = what.to_string();
        if !self.problems.contains(&what) {
            self.problems.push(what);
        }
    }

    fn note(&mut self, what: impl Display) {
        self.notes.push(what.to_string());
    }

    /// The value, or `None` with the error among the problems.
    pub fn noted<T>(&mut self, result: Result<T, impl Display>) -> Option<T> {
        result.map_err(|error| self.problem(error)).ok()
    }
}

impl Database {
    /// Checks what belongs to no posterior in particular: that there is one, and the aliases.
    pub fn check(&self) -> Findings {
        let mut findings = Findings::default();
        if self.posterior_names().is_empty() {
            findings.problem(format!("there is no posterior in {}", self.files.shown("posteriors")));
        }
        for (alias, name) in findings.noted(self.aliases()).unwrap_or_default() {
            if self.has(&alias) {
                findings.problem(format!("the alias `{alias}` is the name of a posterior"));
            } else if !self.has(&name) {
                findings.note(DatabaseError::DanglingAlias { alias, name });
            }
        }
        findings
    }
}

impl Posterior {
    /// Checks the posterior's descriptions, its program's and data's files, and its reference draws, which it returns
    /// if there are any. What the program itself says of its names is for [`check_names`](Self::check_names).
    pub fn check(&self) -> (Findings, Option<Reference>) {
        let mut findings = Findings::default();
        self.check_own_description(&mut findings);
        let model = self.description(&self.model_info_path(), &self.model_name, &mut findings);
        if model.is_some_and(|it| it.pointer("/model_implementations/stan/model_code").is_none_or(|it| !it.is_string()))
        {
            let file = self.files.shown(&self.model_info_path());
            findings.problem(format!("{file} names no file in `model_implementations.stan.model_code`"));
        }
        findings.noted(self.program());
        let data_info = format!("data/info/{}.info.json", self.data_name);
        let data = self.description(&data_info, &self.data_name, &mut findings);
        if data.is_some_and(|it| it.get("data_file").is_none_or(|it| !it.is_string())) {
            findings.problem(format!("{} names no file in `data_file`", self.files.shown(&data_info)));
        }
        let mut seen = HashSet::new();
        let variables = findings.noted(self.data_variables()).unwrap_or_default();
        if let Some(twice) = variables.iter().find(|&name| !seen.insert(name)) {
            findings.problem(format!("the data `{}` gives `{twice}` twice", self.data_name));
        }
        let reference = self.check_reference(&mut findings);
        (findings, reference)
    }

    fn check_own_description(&self, findings: &mut Findings) {
        let path = format!("posteriors/{}.json", self.name);
        let Some(info) = self.description(&path, &self.name, findings) else { return };
        let Some(dimensions) = info.get("dimensions").filter(|dimensions| !dimensions.is_null()) else { return };
        let known: HashSet<&str> = self.dimensions.iter().map(|(name, _)| name.as_str()).collect();
        let odd = dimensions.as_object().map(|entries| entries.keys().find(|&name| !known.contains(name.as_str())));
        let file = self.files.shown(&path);
        match odd {
            None => findings.problem(format!("{file}: `dimensions` must be an object of sizes")),
            Some(None) => {}
            Some(Some(name)) => {
                findings.problem(format!("{file}: the dimension of `{name}` must be a size or a list of sizes"))
            }
        }
    }

    /// A description that must be there, be an object and have the name of its file.
    fn description(&self, path: &str, name: &str, findings: &mut Findings) -> Option<Value> {
        let file = self.files.shown(path);
        let Some(text) = findings.noted(self.files.json(path))? else {
            findings.problem(format!("the description {file} is missing"));
            return None;
        };
        let parsed = serde_json::from_str(&text);
        let value: Value =
            findings.noted(parsed.map_err(|reason| DatabaseError::Malformed { file: file.clone(), reason }))?;
        if !value.is_object() {
            findings.problem(format!("{file} must hold a JSON object"));
            return None;
        }
        match value.get("name") {
            Some(Value::String(found)) if found == name => {}
            Some(found) => findings.problem(format!("{file} has the `name` {found}, which must be {name:?}")),
            None => findings.problem(format!("{file} has no `name`")),
        }
        Some(value)
    }
}
