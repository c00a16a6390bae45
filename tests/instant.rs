//! Instant models, through the package stanli: what BridgeStan's interface promises, and what instant models lack.

use std::path::PathBuf;

use stanmatch::database::Database;
use stanmatch::model::{EvaluationError, Model, Target};
use stanmatch::program::Program;
use stanmatch::sample::constrain;
use stanmatch::toolchain::{Choice, Loaded, ModelLoadError, StanModel};

#[path = "shared/bridge_cases.rs"]
mod bridge_cases;

use bridge_cases::{assert_close, cases};

fn load(program: &Program, data: &str) -> Result<Loaded, ModelLoadError> {
    Choice::Stanli.load(program, data, 1, &|_| {})
}

#[track_caller]
fn model(source: &str, data: &str) -> StanModel {
    load(&Program::embedded("program", source), data).unwrap_or_else(|error| panic!("{error}")).model
}

#[track_caller]
fn refused(source: &str, data: &str) -> String {
    match load(&Program::embedded("program", source), data) {
        Ok(_) => panic!("it is a model"),
        Err(error) => error.to_string(),
    }
}

/// The model of an embedded posterior.
fn embedded(name: &str) -> StanModel {
    let posterior = Database::open(None, None).unwrap().posterior(name).unwrap();
    load(&posterior.program().unwrap(), &posterior.data().unwrap())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .model
}

fn embedded_names() -> Vec<String> {
    Database::open(None, None).unwrap().posterior_names().to_vec()
}

/// A point that depends on `i`.
fn point(dim: usize, i: usize) -> Vec<f64> {
    (0..dim).map(|j| 0.5 * (0.7 * i as f64 + 1.3 * j as f64).sin()).collect()
}

fn stan_names(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| !name.is_empty()).map(|name| stanmatch::draws::stan_name(name)).collect()
}

#[test]
fn instant_models_compute_what_compiled_ones_do() {
    let mut compared = 0;
    for case in cases().iter().filter(|case| case.program != "containers") {
        let model = load(&bridge_cases::program(&case.program), &case.data.to_string()).unwrap().model;
        assert_eq!(model.model_name(), format!("{}_model", case.program));
        assert_eq!(model.names(), stan_names(&case.names));
        assert_eq!(model.unconstrained_names(), stan_names(&case.unconstrained_names));
        assert!(!model.is_normalized());
        let mut score = vec![0.0; model.dim()];
        let mut constant = None;
        for expected in case.evaluations.iter().filter(|it| it.propto && it.jacobian) {
            let x = &expected.theta_unc;
            let value = model.log_density_and_score(x, &mut score).unwrap();
            assert_close(&[model.log_density(x).unwrap()], &[value], 1e-12);
            // Densities agree up to one constant for all points.
            let constant = *constant.get_or_insert(value - expected.log_density);
            assert_close(&[value], &[expected.log_density + constant], 1e-9);
            assert_close(&score, &expected.gradient, 1e-9);
            model.hessian_vector(x, &case.direction, &mut score).unwrap();
            assert_close(&score, &expected.hessian_vector_product, 1e-6);
            let mut constrained = vec![0.0; model.transformed_parameter_count()];
            model.constrain_transformed(x, &mut constrained).unwrap();
            assert_close(&constrained, &expected.constrained, 1e-9);
            let parameters = &constrained[..case.num];
            let mut again = vec![0.0; case.num];
            model.constrain_parameters(&model.unconstrain(parameters).unwrap(), &mut again).unwrap();
            assert_close(&again, parameters, 1e-9);
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}

#[test]
fn eight_threads_share_a_model() {
    for name in embedded_names() {
        let model = embedded(&name);
        let dim = model.dim();
        let evaluate = |i: usize| -> Vec<u64> {
            let (x, mut score) = (point(dim, i), vec![0.0; dim]);
            let value = model.log_density_and_score(&x, &mut score).unwrap_or(f64::NAN);
            let alone = model.log_density(&x).unwrap_or(f64::NAN);
            let mut constrained = vec![0.0; model.parameter_count()];
            model.constrain_parameters(&x, &mut constrained).unwrap();
            score.into_iter().chain([value, alone]).chain(constrained).map(f64::to_bits).collect()
        };
        let evaluations = || (0..16).map(evaluate).collect::<Vec<_>>();
        let alone = evaluations();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(evaluations)).collect();
            for thread in threads {
                assert!(thread.join().unwrap() == alone, "{name} depends on what other threads do");
            }
        });
    }
}

#[test]
fn models_are_made_on_many_threads_at_once() {
    let source = |i: usize| format!("parameters {{ real x; }} model {{ x ~ normal({i}, 1); }}");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|i| scope.spawn(move || model(&source(i), "").log_density(&[i as f64 + 2.0]).unwrap()))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), -2.0);
        }
    });
}

#[test]
fn a_reject_is_a_rejected_point_with_the_programs_words() {
    let source = "parameters { real x; } model { if (x > 0) reject(\"x must not be positive; found x = \", x); \
                  x ~ normal(0, 1); }";
    let model = model(source, "");
    for rejected in [model.log_density(&[2.0]), model.log_density_and_score(&[2.0], &mut [0.0])] {
        let Err(EvaluationError::Program(words)) = rejected else { panic!("{rejected:?}") };
        assert!(words.contains("x must not be positive; found x = 2"), "{words}");
    }
    assert_eq!(model.log_density(&[-2.0]).unwrap(), -2.0);
}

#[test]
fn generated_quantities_are_undefined_where_the_program_rejects_them() {
    let source = "parameters { real<lower=0> x; } transformed parameters { real y = 2 * x; } model { x ~ exponential(1); } \
                  // the generated quantities are last\n\
                  generated quantities { if (x > 1) reject(\"x is too large\"); real z = x + 1; }";
    let model = model(source, "");
    let points = ndarray::array![[-1.0], [1.0], [-2.0]];
    let draws = constrain(&model, &[points.view()], 1).unwrap();
    assert_eq!(draws.names(), ["x", "y", "z"]);
    for (row, log_x) in draws.values().rows().into_iter().zip([-1.0_f64, 1.0, -2.0]) {
        let x = log_x.exp();
        assert_close(&[row[0], row[1]], &[x, 2.0 * x], 1e-15);
        assert!(if x > 1.0 { row[2].is_nan() } else { row[2] == x + 1.0 }, "{row}");
    }
    let mut parameters = [0.0];
    model.constrain_parameters(&[1.0], &mut parameters).unwrap();
    assert_close(&parameters, &[1.0_f64.exp()], 1e-15);
}

#[test]
fn generated_quantities_follow_their_generator() {
    let case = r#"{"N": 4, "y": [0.5, 2.25, -1.0, 3.5]}"#;
    let model = load(&bridge_cases::program("normal"), case).unwrap().model;
    let draw = |generator: &mut dyn stanmatch::model::Generator| {
        let mut out = vec![0.0; model.names().len()];
        generator.constrain(&[0.1; 8], &mut out).unwrap();
        out
    };
    let [mut one, mut same, mut other] = [1, 1, 2].map(|seed| model.generator(seed).unwrap());
    let first = draw(&mut *one);
    assert_eq!(first, draw(&mut *same));
    assert_ne!(first, draw(&mut *other));
    assert_ne!(first, draw(&mut *one));
}

#[test]
fn transformed_data_follow_the_seed() {
    let program = Program::embedded(
        "p",
        "transformed data { real y = normal_rng(0, 1); } parameters { real x; } \
                                          model { x ~ normal(y, 1); }",
    );
    let at_zero = |seed| Choice::Stanli.load(&program, "", seed, &|_| {}).unwrap().model.log_density(&[0.0]).unwrap();
    assert_eq!(at_zero(1), at_zero(1));
    assert_ne!(at_zero(1), at_zero(2));
}

#[test]
fn data_that_do_not_fit_are_named() {
    let normal = "data { int<lower=0> N; vector[N] y; } parameters { real mu; } model { y ~ normal(mu, 1); }";
    let cases = [
        ("", "variable name=N"),
        (r#"{"N": -1, "y": []}"#, "N is -1"),
        (r#"{"N": 3}"#, "variable name=y"),
        (r#"{"N": 3, "y": [1, 2]}"#, "variable name=y"),
        (r#"{"N": 1.5, "y": [1]}"#, "variable name=N"),
        (r#"{"N": 1, "y": ["one"]}"#, "y"),
        (r#"{"N": 1, "y": [1,]}"#, "JSON"),
        ("[1, 2]", "no JSON object"),
    ];
    for (data, words) in cases {
        let message = refused(normal, data);
        assert!(message.starts_with("the data do not fit the program: ") && message.contains(words), "{message}");
    }
    let deep = format!("{{\"N\": 1, \"y\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    assert!(refused(normal, &deep).contains("nested"));
}

#[test]
fn initial_values_are_taken_from_any_object_that_has_them() {
    let source = "parameters { real<lower=0> x; array[2] real y; } model { x ~ exponential(1); y ~ normal(0, 1); }";
    let model = model(source, "");
    let given = model.unconstrain_json(r#"{"y": [3, 4], "x": 1, "transformed": [5]}"#).unwrap();
    assert_eq!(given, [0.0, 3.0, 4.0]);
    for (wrong, words) in [(r#"{"x": 1}"#, "y"), (r#"{"x": -1, "y": [3, 4]}"#, "x"), (r#"{"x": 1, "y": 3}"#, "y")] {
        let message = model.unconstrain_json(wrong).unwrap_err().to_string();
        let (lead, rest) = message.split_at("the initial values do not fit the program: ".len());
        assert!(lead.ends_with("program: ") && rest.contains(words), "{message}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_data() {
    let source = "data { array[3] real y; } parameters { real x; } model { x ~ normal(0, 1); } \
                  generated quantities { array[3] real z = y; }";
    let model = model(source, r#"{"y": [NaN, -Infinity, "Infinity"]}"#);
    let mut out = [0.0; 4];
    model.generator(1).unwrap().constrain(&[0.0], &mut out).unwrap();
    assert!(out[1].is_nan() && out[2] == f64::NEG_INFINITY && out[3] == f64::INFINITY, "{out:?}");
}

#[test]
fn a_wrong_program_is_shown_with_its_line() {
    let program = Program::embedded("wrong", "parameters {\n  real x;\n}\nmodel {\n  x ~ standard_normal();\n}\n");
    let message = load(&program, "").err().unwrap().to_string();
    assert!(message.starts_with("wrong is not a valid Stan program: "), "{message}");
    assert!(message.contains("'wrong.stan', line 5") && message.contains("standard_normal"), "{message}");
}

#[test]
fn included_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    write("prior, weak.stan", "x ~ normal(0, 2);\n");
    let program = write("model.stan", "parameters { real x; }\nmodel {\n#include <prior, weak.stan>\n}\n");
    let loaded = load(&Program::file(&program).unwrap(), "").unwrap();
    assert_eq!(loaded.model.log_density(&[2.0]).unwrap(), -0.5);
    assert_eq!((loaded.toolchain.source, loaded.toolchain.compiler), ("stanli", None));
    write("prior, weak.stan", "x ~ nrml(0, 2);\n");
    let message = load(&Program::file(&program).unwrap(), "").err().unwrap().to_string();
    assert!(message.contains("prior, weak.stan") && message.contains("'model.stan'"), "{message}");
}

#[test]
fn what_instant_models_lack_is_named() {
    let reason = |source: &str, words: &str| {
        let message = refused(source, "");
        assert!(message.starts_with("program has no instant model (") && message.contains(words), "{message}");
    };
    reason("parameters { complex z; } model { get_real(z) ~ normal(0, 1); get_imag(z) ~ normal(0, 1); }", "SComplex");
    reason("parameters { matrix[3, 3] x; } model { target += -sum(square(qr_thin_R(x))); }", "qr_thin_R");
    // A model without its generated quantities is none, though the library makes one.
    let multinomial = "parameters { real x; } model { x ~ normal(0, 1); } \
                       generated quantities { array[2] int y = multinomial_rng([0.2, 0.8]', 10); }";
    reason(multinomial, "generated quantities (unsupported function multinomial_rng)");
}

#[test]
fn every_embedded_program_has_an_instant_model() {
    for name in embedded_names() {
        let (model, mut score) = (embedded(&name), Vec::new());
        let x = point(model.dim(), 1);
        score.resize(model.dim(), 0.0);
        model.log_density_and_score(&x, &mut score).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
