//! Draws compared with reference draws: the part `comparison` of other documents, and the document of
//! `stanmatch compare`.

use serde::{Deserialize, Serialize};

use super::{Status, VERSION, finite};
use crate::compare::{Comparison, ParameterComparison};

/// The version of [`CompareDocument`].
pub const COMPARE_SCHEMA: &str = "stanmatch.compare/1";

/// Draws compared with reference draws. Floors are what as many exact draws would show; they are null where the
/// reference has too few draws.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComparisonDocument {
    /// The reference's name.
    pub reference: String,
    /// How many draws the reference has.
    #[serde(default)]
    pub reference_draws: u64,
    /// The largest location error; null where it is infinite.
    pub max_location_error: Option<f64>,
    /// The largest log-scale error; null where it is infinite.
    pub max_log_scale_error: Option<f64>,
    /// The mean of the location errors.
    pub mean_location_error: Option<f64>,
    /// The mean of the log-scale errors.
    pub mean_log_scale_error: Option<f64>,
    /// The mean of the 1-Wasserstein distances, over the quantities with reference draws.
    pub mean_w1: Option<f64>,
    /// The largest 1-Wasserstein distance.
    pub max_w1: Option<f64>,
    /// The sliced 1-Wasserstein distance of all quantities with reference draws, in units of their reference scales.
    pub sliced_w1: Option<f64>,
    /// The unbiased energy distance of all quantities with reference draws; it can be negative.
    pub energy_distance: Option<f64>,
    /// The floor of `max_location_error`.
    pub max_location_floor: Option<f64>,
    /// The floor of `max_log_scale_error`.
    pub max_log_scale_floor: Option<f64>,
    /// The floor of `mean_location_error`.
    pub mean_location_floor: Option<f64>,
    /// The floor of `mean_log_scale_error`.
    pub mean_log_scale_floor: Option<f64>,
    /// The floor of `mean_w1`.
    pub mean_w1_floor: Option<f64>,
    /// The floor of `max_w1`.
    pub max_w1_floor: Option<f64>,
    /// The floor of `sliced_w1`.
    pub sliced_w1_floor: Option<f64>,
    /// The floor of `energy_distance`, a root mean square.
    pub energy_distance_floor: Option<f64>,
    /// Whether neither `max_location_error` nor `max_log_scale_error` exceeds 0.1.
    #[serde(default)]
    pub within_tolerance: bool,
    /// Each quantity of the reference; those of which it keeps no draws come last.
    #[serde(default)]
    pub parameters: Vec<ComparedParameter>,
}

/// One quantity's draws compared with its reference draws.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComparedParameter {
    /// The quantity's name.
    pub name: String,
    /// Whether location and scale are the median and half the central 68 % interval, because the reference is too
    /// heavy-tailed for moments; else they are mean and standard deviation.
    #[serde(default)]
    pub robust: bool,
    /// Whether the reference has only one value, so that errors have no unit.
    #[serde(default)]
    pub constant: bool,
    /// The draws' location.
    pub location: Option<f64>,
    /// The draws' scale.
    pub scale: Option<f64>,
    /// The reference's location.
    pub reference_location: Option<f64>,
    /// The reference's scale.
    pub reference_scale: Option<f64>,
    /// |location − reference location| / reference scale; null where it is infinite.
    pub location_error: Option<f64>,
    /// |ln(scale / reference scale)|; null where it is infinite.
    pub log_scale_error: Option<f64>,
    /// The 1-Wasserstein distance in units of the reference's scale; null where the reference keeps no draws.
    pub w1: Option<f64>,
    /// The floor of `location_error`.
    pub location_floor: Option<f64>,
    /// The floor of `log_scale_error`.
    pub log_scale_floor: Option<f64>,
    /// The floor of `w1`.
    pub w1_floor: Option<f64>,
}

impl From<&Comparison> for ComparisonDocument {
    fn from(it: &Comparison) -> Self {
        Self {
            reference: it.reference.clone(),
            reference_draws: it.reference_draws as u64,
            max_location_error: finite(it.max_location_error),
            max_log_scale_error: finite(it.max_log_scale_error),
            mean_location_error: finite(it.mean_location_error),
            mean_log_scale_error: finite(it.mean_log_scale_error),
            mean_w1: finite(it.mean_w1),
            max_w1: finite(it.max_w1),
            sliced_w1: finite(it.sliced_w1),
            energy_distance: finite(it.energy_distance),
            max_location_floor: finite(it.floor.max_location_floor),
            max_log_scale_floor: finite(it.floor.max_log_scale_floor),
            mean_location_floor: finite(it.floor.mean_location_floor),
            mean_log_scale_floor: finite(it.floor.mean_log_scale_floor),
            mean_w1_floor: finite(it.floor.mean_w1_floor),
            max_w1_floor: finite(it.floor.max_w1_floor),
            sliced_w1_floor: finite(it.floor.sliced_w1_floor),
            energy_distance_floor: finite(it.floor.energy_distance_floor),
            within_tolerance: it.within_tolerance,
            parameters: it.parameters.iter().map(ComparedParameter::from).collect(),
        }
    }
}

impl From<&ParameterComparison> for ComparedParameter {
    fn from(it: &ParameterComparison) -> Self {
        Self {
            name: it.name.clone(),
            robust: it.robust,
            constant: it.constant,
            location: finite(it.location),
            scale: finite(it.scale),
            reference_location: finite(it.reference_location),
            reference_scale: finite(it.reference_scale),
            location_error: finite(it.location_error),
            log_scale_error: finite(it.log_scale_error),
            w1: finite(it.w1),
            location_floor: finite(it.floor.location_floor),
            log_scale_floor: finite(it.floor.log_scale_floor),
            w1_floor: finite(it.floor.w1_floor),
        }
    }
}

/// What `stanmatch compare --json` prints.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CompareDocument {
    /// `stanmatch.compare/1`.
    #[cfg_attr(test, schemars(extend("const" = COMPARE_SCHEMA)))]
    pub schema: String,
    /// `ok`, or `failed` if there is no comparison.
    pub status: Status,
    /// The reference posterior's name; null where the reference is files.
    pub posterior: Option<String>,
    /// How many draws were compared.
    pub draws: Option<u64>,
    /// In how many chains.
    pub chains: Option<u64>,
    /// What else to know, or why there is no comparison, as sentences.
    #[serde(default)]
    pub messages: Vec<String>,
    /// The comparison.
    pub comparison: Option<ComparisonDocument>,
    /// Quantities of the draws that the reference lacks.
    pub not_in_reference: Option<Vec<String>>,
    /// Quantities of the reference that the draws lack.
    pub not_in_draws: Option<Vec<String>>,
    /// The version of stanmatch.
    #[serde(default)]
    pub version: String,
}

impl CompareDocument {
    /// The document of a comparison that failed, and why.
    pub fn failed(message: String) -> Self {
        Self {
            schema: COMPARE_SCHEMA.to_owned(),
            messages: vec![message],
            version: VERSION.to_owned(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Floor, ParameterFloor};

    /// The comparison of one quantity, whose errors are infinite.
    fn comparison() -> Comparison {
        let parameter = ParameterComparison {
            name: "L[1,1]".to_owned(),
            robust: false,
            constant: true,
            location: 2.0,
            scale: 0.0,
            reference_location: 1.0,
            reference_scale: 0.0,
            location_error: f64::INFINITY,
            log_scale_error: 0.0,
            w1: f64::NAN,
            floor: ParameterFloor { location_floor: 0.25, log_scale_floor: 0.5, w1_floor: f64::NAN },
        };
        Comparison {
            reference: "theirs".to_owned(),
            reference_draws: 10,
            max_location_error: f64::INFINITY,
            max_log_scale_error: 0.0,
            mean_location_error: f64::INFINITY,
            mean_log_scale_error: 0.0,
            mean_w1: f64::NAN,
            max_w1: 0.1,
            sliced_w1: 0.2,
            energy_distance: -0.01,
            floor: Floor {
                max_location_floor: 1.0,
                max_log_scale_floor: 2.0,
                mean_location_floor: 3.0,
                mean_log_scale_floor: 4.0,
                mean_w1_floor: 5.0,
                max_w1_floor: 6.0,
                sliced_w1_floor: 7.0,
                energy_distance_floor: f64::NAN,
            },
            within_tolerance: false,
            parameters: vec![parameter],
            left_out: vec!["mu".to_owned()],
        }
    }

    #[test]
    fn a_comparison_has_the_keys_of_the_contract_in_their_order() {
        let document = ComparisonDocument::from(&comparison());
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(
            text,
            r#"{"reference":"theirs","reference_draws":10,"max_location_error":null,"max_log_scale_error":0.0,"#
                .to_owned()
                + r#""mean_location_error":null,"mean_log_scale_error":0.0,"mean_w1":null,"max_w1":0.1,"#
                + r#""sliced_w1":0.2,"energy_distance":-0.01,"max_location_floor":1.0,"max_log_scale_floor":2.0,"#
                + r#""mean_location_floor":3.0,"mean_log_scale_floor":4.0,"mean_w1_floor":5.0,"max_w1_floor":6.0,"#
                + r#""sliced_w1_floor":7.0,"energy_distance_floor":null,"within_tolerance":false,"parameters":["#
                + r#"{"name":"L[1,1]","robust":false,"constant":true,"location":2.0,"scale":0.0,"#
                + r#""reference_location":1.0,"reference_scale":0.0,"location_error":null,"log_scale_error":0.0,"#
                + r#""w1":null,"location_floor":0.25,"log_scale_floor":0.5,"w1_floor":null}]}"#
        );
        assert_eq!(serde_json::from_str::<ComparisonDocument>(&text).unwrap(), document);
    }

    #[test]
    fn a_comparison_that_failed_has_every_key() {
        assert_eq!(
            serde_json::to_string(&CompareDocument::failed("no draws".to_owned())).unwrap(),
            r#"{"schema":"stanmatch.compare/1","status":"failed","posterior":null,"draws":null,"chains":null,"#
                .to_owned()
                + r#""messages":["no draws"],"comparison":null,"not_in_reference":null,"not_in_draws":null,"#
                + &format!(r#""version":"{VERSION}"}}"#)
        );
    }
}
