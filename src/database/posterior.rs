//! One posterior: its program, its data and its reference draws.

use std::path::PathBuf;

use serde::de::IgnoredAny;

use super::files::{Files, is_inside, is_plain_name};
use super::info::{PartInfo, PosteriorInfo, object, reference_info};
use super::{DatabaseError, embedded};
use crate::draws::{Draws, Reference};
use crate::import::{Ordered, parse_posteriordb_json};
use crate::program::Program;

/// A posterior of a database: a Stan program with data, and perhaps reference draws.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// The posterior's name, commonly `DATA-MODEL`.
    pub name: String,
    /// The name of its Stan program.
    pub model_name: String,
    /// The name of its data.
    pub data_name: String,
    /// The name of its reference draws, which several posteriors may share.
    pub reference_name: Option<String>,
    /// What it is about.
    pub keywords: Vec<String>,
    /// Each parameter's number of scalars, as far as the description gives them.
    pub dimensions: Vec<(String, usize)>,
    /// What it is there for: the posterior's own description, else the model's, else the model's title.
    pub description: Option<String>,
    pub(super) files: Files,
    overlay_programs: Option<PathBuf>,
}

/// Where a posterior's program is.
enum ProgramPlace {
    File(PathBuf),
    Embedded(&'static str),
}

impl Posterior {
    /// Reads `posteriors/NAME.json`; `name` is one that the folder lists.
    pub(super) fn read(name: &str, files: Files, overlay_programs: Option<PathBuf>) -> Result<Self, DatabaseError> {
        let path = format!("posteriors/{name}.json");
        let text = files
            .json(&path)?
            .ok_or_else(|| DatabaseError::UnknownPosterior { name: name.to_owned(), near: Vec::new() })?;
        let info: PosteriorInfo = serde_json::from_str(&text)
            .map_err(|reason| DatabaseError::Malformed { file: files.shown(&path), reason })?;
        let named = [("model_name", &info.model_name), ("data_name", &info.data_name)].into_iter();
        for (key, value) in named.chain(info.reference_posterior_name.as_ref().map(|v| ("reference_posterior_name", v)))
        {
            if !is_plain_name(value) {
                return Err(DatabaseError::Unsafe { file: files.shown(&path), key, value: value.clone() });
            }
        }
        let mut posterior = Self {
            name: name.to_owned(),
            model_name: info.model_name,
            data_name: info.data_name,
            reference_name: info.reference_posterior_name,
            keywords: info.keywords,
            dimensions: info.dimensions,
            description: info.description.or(info.comments),
            files,
            overlay_programs,
        };
        if posterior.description.is_none() {
            let model = posterior.model_info();
            posterior.description = model.description.or(model.title);
        }
        Ok(posterior)
    }

    /// The Stan program: the database's own, else the one of this model's name in the overlaid folder.
    ///
    /// # Errors
    /// When there is none, with the files that were looked for, or it cannot be read.
    pub fn program(&self) -> Result<Program, DatabaseError> {
        match self.find_program()? {
            ProgramPlace::File(path) => Ok(Program::file(&path)?),
            ProgramPlace::Embedded(source) => Ok(Program::embedded(self.model_name.clone(), source)),
        }
    }

    /// Where the program is, for a person to read.
    ///
    /// # Errors
    /// When there is none, with the files that were looked for.
    pub fn program_place(&self) -> Result<String, DatabaseError> {
        Ok(match self.find_program()? {
            ProgramPlace::File(path) => path.display().to_string(),
            ProgramPlace::Embedded(_) => format!("the embedded {}", self.program_file()),
        })
    }

    /// The data, as the text of a JSON object in Stan's format.
    ///
    /// # Errors
    /// When there is none, with the files that were looked for, or it cannot be read.
    pub fn data(&self) -> Result<String, DatabaseError> {
        let info_path = format!("data/info/{}.info.json", self.data_name);
        let conventional = format!("data/data/{}.json", self.data_name);
        let mut paths = Vec::new();
        for path in self.part_info(&info_path).data_file.into_iter().chain([conventional]) {
            if !is_inside(&path) {
                return Err(DatabaseError::Unsafe {
                    file: self.files.shown(&info_path),
                    key: "data_file",
                    value: path,
                });
            }
            for path in [format!("{path}.zip"), path] {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        match self.files.first_json(&paths)? {
            Some((_, text)) => Ok(text),
            None => Err(DatabaseError::MissingData {
                posterior: self.name.clone(),
                data: self.data_name.clone(),
                looked_for: self.shown(&paths),
            }),
        }
    }

    /// The names of the data's variables, in their order.
    ///
    /// # Errors
    /// When there are no data, or they are no JSON object.
    pub fn data_variables(&self) -> Result<Vec<String>, DatabaseError> {
        let Ordered(entries) = serde_json::from_str::<Ordered<IgnoredAny>>(&self.data()?)
            .map_err(|reason| DatabaseError::Data { data: self.data_name.clone(), reason })?;
        Ok(entries.into_iter().map(|(name, _)| name).collect())
    }

    /// How many scalars the described quantities have; `None` where none are described, or more than can be counted.
    pub fn quantities(&self) -> Option<usize> {
        let mut sizes = self.dimensions.iter().map(|(_, size)| *size);
        let first = sizes.next()?;
        sizes.try_fold(first, usize::checked_add)
    }

    /// The reference draws, or `None` when the posterior names none or the database does not hold them.
    ///
    /// # Errors
    /// When the draws are there but cannot be used.
    pub fn reference(&self) -> Result<Option<Reference>, DatabaseError> {
        match self.required_reference() {
            Ok(reference) => Ok(Some(reference)),
            Err(DatabaseError::NoReference(_) | DatabaseError::MissingReference { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The reference draws.
    ///
    /// # Errors
    /// When the posterior names none, the database does not hold them, or they cannot be used.
    pub fn required_reference(&self) -> Result<Reference, DatabaseError> {
        let name = self.reference_name.as_ref().ok_or_else(|| DatabaseError::NoReference(self.name.clone()))?;
        let paths = reference_paths(name);
        let (path, text) = self.files.first_json(&paths)?.ok_or_else(|| DatabaseError::MissingReference {
            posterior: self.name.clone(),
            reference: name.clone(),
            looked_for: self.shown(&paths),
        })?;
        let draws = parse_posteriordb_json(&text)
            .map_err(|reason| DatabaseError::Draws { file: self.files.shown(path), reason })?;
        if let Some(reason) = unfit(&draws) {
            return Err(DatabaseError::UnfitDraws { file: self.files.shown(path), reason });
        }
        let info_path = reference_info_path(name);
        let file = || self.files.shown(&info_path);
        let text = self.files.json(&info_path)?.unwrap_or_default();
        let info = object(&text).map_err(|reason| DatabaseError::Malformed { file: file(), reason })?;
        let info = reference_info(info, draws.names());
        let info = info.map_err(|reason| DatabaseError::Summaries { file: file(), reason })?;
        Ok(Reference { name: name.clone(), draws, info })
    }

    /// Whether the database holds the file of the posterior's reference draws.
    pub fn has_reference(&self) -> bool {
        self.reference_name.iter().flat_map(|name| reference_paths(name)).any(|path| self.files.contain(&path))
    }

    fn find_program(&self) -> Result<ProgramPlace, DatabaseError> {
        let mut looked_for = Vec::new();
        match &self.files {
            Files::Embedded => match embedded::program(&self.program_file()) {
                Some(source) => return Ok(ProgramPlace::Embedded(source)),
                None => looked_for.push(format!("the embedded stan_models/{}", self.program_file())),
            },
            Files::Directory(root) => {
                for path in self.program_paths()? {
                    let path = root.join(path);
                    if path.is_file() {
                        return Ok(ProgramPlace::File(path));
                    }
                    looked_for.push(path.display().to_string());
                }
            }
        }
        if let Some(folder) = &self.overlay_programs {
            let path = folder.join(self.program_file());
            if path.is_file() {
                return Ok(ProgramPlace::File(path));
            }
            looked_for.push(path.display().to_string());
        }
        Err(DatabaseError::MissingProgram { model: self.model_name.clone(), looked_for })
    }

    /// Where a database folder keeps this posterior's program: what the model's description says, and the convention.
    fn program_paths(&self) -> Result<Vec<String>, DatabaseError> {
        let mut paths = vec![format!("models/stan/{}", self.program_file())];
        if let Some(path) = self.model_info().model_code().filter(|&path| path != paths[0]) {
            if !is_inside(path) {
                let file = self.files.shown(&self.model_info_path());
                return Err(DatabaseError::Unsafe { file, key: "model_code", value: path.to_owned() });
            }
            paths.insert(0, path.to_owned());
        }
        Ok(paths)
    }

    fn program_file(&self) -> String {
        format!("{}.stan", self.model_name)
    }

    pub(super) fn model_info_path(&self) -> String {
        format!("models/info/{}.info.json", self.model_name)
    }

    fn model_info(&self) -> PartInfo {
        self.part_info(&self.model_info_path())
    }

    /// A description that helps but is not needed: an absent or broken one counts as empty.
    fn part_info(&self, path: &str) -> PartInfo {
        let text = self.files.json(path).ok().flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    fn shown(&self, paths: &[String]) -> Vec<String> {
        paths.iter().map(|path| self.files.shown(path)).collect()
    }
}

/// What the format of draws allows and a reference must not have.
fn unfit(draws: &Draws) -> Option<String> {
    let lengths = draws.chain_lengths();
    if let Some(chain) = lengths.iter().position(|length| *length != lengths[0]) {
        return Some(format!("chain {} has {} draws, the first {}", chain + 1, lengths[chain], lengths[0]));
    }
    let values = draws.values();
    let mut columns = draws.names().iter().zip(values.columns());
    let (name, _) = columns.find(|(_, values)| values.iter().any(|value| !value.is_finite()))?;
    Some(format!("the draws of {name} are not all finite"))
}

/// Where reference draws are looked for, first to last.
pub(super) fn reference_paths(name: &str) -> [String; 2] {
    let path = format!("reference_posteriors/draws/draws/{name}.json");
    [format!("{path}.zip"), path]
}

/// Where the description of reference draws is.
pub(super) fn reference_info_path(name: &str) -> String {
    format!("reference_posteriors/draws/info/{name}.info.json")
}
