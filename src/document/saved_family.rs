//! The Gaussian of a saved fit, read from its folder and checked.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2};
use thiserror::Error;

use super::FamilyDocument;
use crate::gaussian::{Approximation, DenseGaussian, LowRankGaussian, NotPositiveDefinite};
use crate::import::{ReadError, json_text, read_file};

/// The largest file of a family that is read, in bytes: a factor in 7 000 dimensions.
const LARGEST_FILE: u64 = 1 << 30;

/// The file in the folder of a saved fit.
const FILE: &str = "family.json";

/// A Gaussian that a fit saved, on the unconstrained scale.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedFamily {
    /// The names of the D unconstrained parameters.
    pub names: Vec<String>,
    /// The mean, of length D.
    pub mean: Array1<f64>,
    /// The covariance.
    pub covariance: SavedCovariance,
}

/// A covariance of whichever structure.
#[derive(Debug, Clone, PartialEq)]
pub enum SavedCovariance {
    /// F Fᵀ with the square factor F, D × D.
    Dense(Array2<f64>),
    /// diag(ψ) + Λ Λᵀ with ψ of length D and Λ, D × K.
    LowRank {
        /// ψ.
        psi: Array1<f64>,
        /// Λ.
        lambda: Array2<f64>,
    },
}

/// Why a folder gave no Gaussian.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SavedFamilyError {
    /// There is no family, or it cannot be read.
    #[error("cannot read {} of a saved fit: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: ReadError,
    },
    /// The file is not what a fit saves.
    #[error("{} is not a saved family: {reason}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// The family is no Gaussian that we know.
    #[error("{} holds no Gaussian: it needs `factor`, or `psi` and `lambda`", .0.display())]
    NoGaussian(PathBuf),
    /// Lists of unequal lengths.
    #[error("{}: {what} must have the length {expected}, but has {found}", .file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// The list.
        what: String,
        /// Its right length: the number of names, or the rank.
        expected: usize,
        /// Its own length.
        found: usize,
    },
}

/// Why a saved Gaussian cannot be used with a program.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OtherFit {
    /// The fit is of another program.
    #[error("the fit belongs to another program: its parameters are {fit}, those of this program {program}")]
    Program {
        /// The fit's parameters: how many, and one that differs.
        fit: String,
        /// The program's.
        program: String,
    },
    /// The Gaussian has no extent in some direction, or numbers in it are not finite.
    #[error("the Gaussian of the fit cannot be inverted, so chains cannot start from it: fit again")]
    Singular(#[from] NotPositiveDefinite),
}

impl SavedFamily {
    /// As [`read`](Self::read); None for a fit without a family, or with one that is no Gaussian.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn find(folder: &Path) -> Result<Option<Self>, SavedFamilyError> {
        if !folder.join(FILE).exists() {
            return Ok(None);
        }
        match Self::read(folder) {
            Err(SavedFamilyError::NoGaussian(_)) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Reads the Gaussian of the fit that was saved in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Self, SavedFamilyError> {
        let file = folder.join(FILE);
        let bytes = read_file(&file, LARGEST_FILE).and_then(|bytes| json_text(bytes, LARGEST_FILE));
        let text = bytes.map_err(|reason| SavedFamilyError::Unreadable { file: file.clone(), reason })?;
        let parsed: serde_json::Result<FamilyDocument> = serde_json::from_str(&text);
        let document = parsed.map_err(|reason| SavedFamilyError::Malformed { file: file.clone(), reason })?;
        Self::of_document(document, &file)
    }

    /// The Gaussian of a document whose lists have the lengths that they must have; `file` is its own.
    fn of_document(document: FamilyDocument, file: &Path) -> Result<Self, SavedFamilyError> {
        let FamilyDocument { names, mean, factor, psi, lambda } = document;
        let dim = names.len();
        let has_length = |what: &str, found: usize, expected: usize| {
            if found == expected {
                return Ok(());
            }
            Err(SavedFamilyError::Shape { file: file.to_owned(), what: what.to_owned(), expected, found })
        };
        let matrix = |name: &str, rows: Vec<Vec<f64>>, columns: usize| {
            has_length(&format!("`{name}`"), rows.len(), dim)?;
            for (number, row) in (1..).zip(&rows) {
                has_length(&format!("row {number} of `{name}`"), row.len(), columns)?;
            }
            Ok(Array2::from_shape_vec((dim, columns), rows.concat()).expect("D rows of one length"))
        };
        has_length("`mean`", mean.len(), dim)?;
        let covariance = match (factor, psi, lambda) {
            (Some(factor), None, None) => SavedCovariance::Dense(matrix("factor", factor, dim)?),
            (None, Some(psi), Some(lambda)) => {
                has_length("`psi`", psi.len(), dim)?;
                let rank = lambda.first().map_or(0, Vec::len);
                SavedCovariance::LowRank { psi: Array1::from(psi), lambda: matrix("lambda", lambda, rank)? }
            }
            _ => return Err(SavedFamilyError::NoGaussian(file.to_owned())),
        };
        Ok(Self { names, mean: Array1::from(mean), covariance })
    }

    /// The Gaussian of a program with the unconstrained parameters `names`.
    ///
    /// # Errors
    /// When the fit has other parameters or its Gaussian is singular.
    pub fn approximation(self, names: &[String]) -> Result<Approximation, OtherFit> {
        if self.names != names {
            let index = (0..).find(|&index| self.names.get(index) != names.get(index)).unwrap_or_default();
            let shown = |names: &[String]| match names.get(index) {
                Some(name) => format!("{}, among them {name}", names.len()),
                None => names.len().to_string(),
            };
            return Err(OtherFit::Program { fit: shown(&self.names), program: shown(names) });
        }
        Ok(match self.covariance {
            SavedCovariance::Dense(factor) => DenseGaussian::from_factor(self.mean, factor)?.into(),
            SavedCovariance::LowRank { psi, lambda } => LowRankGaussian::new(self.mean, &psi, lambda.view())?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn read(text: &str) -> Result<SavedFamily, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        SavedFamily::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn gaussians_of_both_structures_are_read_row_by_row() {
        let dense = read(r#"{"names": ["a", "b"], "mean": [1, 2.5], "factor": [[3, 0], [4, 5]]}"#).unwrap();
        assert_eq!(dense.mean, array![1.0, 2.5]);
        assert_eq!(dense.covariance, SavedCovariance::Dense(array![[3.0, 0.0], [4.0, 5.0]]));
        let low = read(r#"{"names": ["a", "b"], "mean": [1, 2.5], "psi": [1, 2], "lambda": [[3], [4]]}"#).unwrap();
        assert_eq!(low.covariance, SavedCovariance::LowRank { psi: array![1.0, 2.0], lambda: array![[3.0], [4.0]] });
    }

    #[test]
    fn a_fit_may_have_no_gaussian_but_not_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SavedFamily::find(folder.path()).unwrap(), None);
        let find = |text: &str| {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            SavedFamily::find(folder.path()).map(|found| found.is_some()).map_err(|_| ())
        };
        assert_eq!(find(r#"{"names": ["a"], "mean": [1], "factor": [[1]]}"#), Ok(true));
        assert_eq!(find(r#"{"names": ["a"], "mean": [1], "weights": [1]}"#), Ok(false));
        assert_eq!(find("{"), Err(()));
    }

    #[test]
    fn what_is_no_gaussian_is_named() {
        let refused = |text: &str, part: &str| {
            let said = read(text).unwrap_err();
            assert!(said.contains("family.json") && said.contains(part), "{said}");
        };
        refused("{", "not a saved family");
        refused(r#"{"names": ["a"], "mean": [1], "factor": [["x"]]}"#, "not a saved family");
        refused(r#"{"names": ["a"], "mean": [1], "psi": [1]}"#, "holds no Gaussian");
        refused(r#"{"names": ["a", "b"], "mean": [1], "factor": [[1, 0], [0, 1]]}"#, "`mean` must have the length 2");
        refused(r#"{"names": ["a", "b"], "mean": [1, 1], "factor": [[1, 0], [0]]}"#, "row 2 of `factor`");
        refused(r#"{"names": ["a", "b"], "mean": [1, 1], "psi": [1], "lambda": [[1], [2]]}"#, "`psi`");
        refused(
            r#"{"names": ["a", "b"], "mean": [1, 1], "psi": [1, 1], "lambda": [[1, 2], [2]]}"#,
            "row 2 of `lambda`",
        );
        let absent = SavedFamily::read(Path::new("/no/such/fit")).unwrap_err().to_string();
        assert!(absent.contains("/no/such/fit/family.json") && absent.contains("saved fit"), "{absent}");
    }

    #[test]
    fn a_gaussian_is_known_again() {
        let names: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
        let factor = array![[2.0, 0.0], [0.1, 1.0 / 3.0]];
        let dense = DenseGaussian::from_factor(array![0.5, -1.0], factor).unwrap();
        let low = LowRankGaussian::new(array![0.5, -1.0], &array![1.0, 4.0], array![[3.0], [-0.5]].view()).unwrap();
        for family in [Approximation::from(dense), low.into()] {
            let text = serde_json::to_string(&FamilyDocument::of(&family, &names)).unwrap();
            let FamilyDocument { mean, psi, lambda, factor, .. } = serde_json::from_str(&text).unwrap();
            assert_eq!((mean, factor.is_some()), (vec![0.5, -1.0], psi.is_none() && lambda.is_none()));
            let known = read(&text).unwrap().approximation(&names).unwrap();
            match (known, family) {
                (Approximation::Dense(known), Approximation::Dense(family)) => assert_eq!(known, family),
                (Approximation::LowRank(known), Approximation::LowRank(family)) => {
                    let difference = known.covariance() - family.covariance();
                    assert!(difference.iter().all(|it| it.abs() < 1e-12), "{difference}");
                }
                _ => panic!("another structure"),
            }
        }
    }

    #[test]
    fn a_fit_of_another_program_or_without_extent_is_refused() {
        let saved = |names: Vec<String>, factor| {
            let covariance = SavedCovariance::Dense(factor);
            SavedFamily { mean: Array1::zeros(names.len()), names, covariance }
        };
        let names = |count: usize| -> Vec<String> { (1..=count).map(|index| format!("x[{index}]")).collect() };
        let other =
            |fit, program| saved(names(fit), Array2::eye(fit)).approximation(&names(program)).unwrap_err().to_string();
        assert!(
            other(2, 3).contains("its parameters are 2, those of this program 3, among them x[3]"),
            "{}",
            other(2, 3)
        );
        assert!(other(4, 2).contains("4, among them x[3]"));
        for factor in [array![[1.0, 2.0], [2.0, 4.0]], array![[1.0, 0.0], [f64::NAN, 1.0]]] {
            let singular = saved(names(2), factor).approximation(&names(2));
            assert_eq!(singular, Err(OtherFit::Singular(NotPositiveDefinite)));
        }
    }
}
