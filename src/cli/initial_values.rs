//! Initial values from a file, as `--init` takes them.

use anyhow::Context;
use rand::RngExt;
use serde_json::Value;
use stanmatch::model::{Model, Target};
use stanmatch::output::variables_json;
use stanmatch::random::Stream;
use stanmatch::toolchain::StanModel;

/// Random points that are tried for the parameters that a file lacks, as many as Stan tries.
const TRIES: usize = 100;
/// Half the width of the interval that their unconstrained coordinates are drawn from, as in Stan.
const RADIUS: f64 = 2.0;

/// The unconstrained point of the parameter values in a file. Parameters that it lacks are drawn at random, as in Stan:
/// uniformly on (−2, 2) on the unconstrained scale, again where the point has no density.
pub fn initial_point(file: &str, target: &StanModel, seed: u64) -> anyhow::Result<Vec<f64>> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("--init must be path, map, laplace, random, zero or a readable file; {file} cannot be read")
    })?;
    let variables = variables(target);
    let given = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(given)) if !variables.iter().any(|name| given.contains_key(*name)) => anyhow::bail!(
            "the initial values do not fit the program: {file} has none of its parameters, which are {}",
            variables.join(", ")
        ),
        Ok(Value::Object(given)) if !variables.iter().all(|name| given.contains_key(*name)) => given,
        _ => return Ok(target.unconstrain_json(&text)?),
    };
    let mut rng = Stream::Path(0).of(seed);
    let mut reason = String::new();
    for _ in 0..TRIES {
        let x: Vec<f64> = (0..target.dim()).map(|_| rng.random_range(-RADIUS..RADIUS)).collect();
        let mut values = vec![0.0; target.parameter_count()];
        if let Err(error) = target.constrain_parameters(&x, &mut values) {
            reason = error.to_string();
            continue;
        }
        let Value::Object(mut all) = variables_json(&target.names()[..values.len()], &values) else {
            return Ok(target.unconstrain_json(&text)?);
        };
        all.extend(given.clone());
        let x = target.unconstrain_json(&Value::Object(all).to_string())?;
        match target.log_density(&x) {
            Ok(_) => return Ok(x),
            Err(error) => reason = error.to_string(),
        }
    }
    anyhow::bail!("no random values of the parameters that {file} lacks give a finite log density: {reason}")
}

/// The names of the variables that the program's parameters are in.
fn variables(target: &StanModel) -> Vec<&str> {
    let parameters = target.names()[..target.parameter_count()].iter();
    let mut variables: Vec<&str> = parameters.filter_map(|name| name.split(['[', ':']).next()).collect();
    variables.dedup();
    variables
}
