//! The bridge, as the Rust crate `bridgestan` sees it. tests/python/test_bridge.py looks at it more closely through
//! another client, whose values are kept in tests/fixtures/bridge.json.

#![cfg(feature = "toolchain")]

use std::ffi::{CString, c_char};
use std::path::PathBuf;
use std::sync::Mutex;

use bridgestan::{BridgeStanError, Model, Rng, StanLibrary, open_library};
use stanmatch::toolchain::{Choice, CompileOptions, Toolchain};

#[path = "shared/bridge_cases.rs"]
mod bridge_cases;

use bridge_cases::{assert_close, cases};

/// The compiled library of a program of tests/bridge.
fn library(program: &str) -> PathBuf {
    // One compiler at a time: each takes more than a gigabyte of memory.
    static COMPILER: Mutex<()> = Mutex::new(());
    let _one = COMPILER.lock();
    let toolchain = Toolchain::find(&Choice::Httpstan).unwrap_or_else(|error| panic!("{error}"));
    toolchain.compile(&bridge_cases::program(program), &CompileOptions::default(), &|_| {}).unwrap().library
}

fn load(program: &str, data: &str) -> Result<Model<StanLibrary>, BridgeStanError> {
    Model::new(open_library(library(program))?, Some(CString::new(data).unwrap()), 1)
}

fn model(program: &str) -> Model<StanLibrary> {
    let case = cases().into_iter().find(|case| case.program == program);
    load(program, &case.map_or_else(String::new, |case| case.data.to_string())).unwrap()
}

#[test]
fn the_crate_and_the_python_package_compute_the_same() {
    // All models are loaded before the first is evaluated: they must not share what they define alike.
    let models: Vec<_> = cases().into_iter().map(|case| (model(&case.program), case)).collect();
    for (model, case) in &models {
        assert_eq!(model.name().unwrap(), format!("{}_model", case.program));
        assert_eq!(model.param_names(true, true), case.names.join(","));
        assert_eq!(model.param_num(true, true), case.names.iter().filter(|name| !name.is_empty()).count());
        assert_eq!(model.param_num(false, false), case.num);
        assert_eq!(model.param_unc_names(), case.unconstrained_names.join(","));
        let dim = model.param_unc_num();
        let mut found = vec![0.0; dim];
        for expected in &case.evaluations {
            let (theta, propto, jacobian) = (&expected.theta_unc, expected.propto, expected.jacobian);
            let density = model.log_density(theta, propto, jacobian).unwrap();
            assert_close(&[density], &[expected.log_density], 1e-9);
            let density = model.log_density_gradient(theta, propto, jacobian, &mut found).unwrap();
            assert_close(&[density], &[expected.log_density], 1e-9);
            assert_close(&found, &expected.gradient, 1e-9);
            model.log_density_hessian_vector_product(theta, &case.direction, propto, jacobian, &mut found).unwrap();
            assert_close(&found, &expected.hessian_vector_product, 1e-6);
            let mut constrained = vec![0.0; model.param_num(true, false)];
            model.param_constrain::<&StanLibrary>(theta, true, false, &mut constrained, None).unwrap();
            assert_close(&constrained, &expected.constrained, 1e-9);
            let mut back = vec![0.0; dim];
            model.param_unconstrain(&constrained[..case.num], &mut back).unwrap();
            let mut again = vec![0.0; case.num];
            model.param_constrain::<&StanLibrary>(&back, false, false, &mut again, None).unwrap();
            assert_close(&again, &constrained[..case.num], 1e-9);
        }
        let (mut gradient, mut hessian) = (vec![0.0; dim], vec![0.0; dim * dim]);
        // The fixture's Hessian is at the second point with propto and jacobian: the eighth evaluation.
        model.log_density_hessian(&case.evaluations[7].theta_unc, true, true, &mut gradient, &mut hessian).unwrap();
        assert_close(&gradient, &case.evaluations[7].gradient, 1e-9);
        assert_close(&hessian, &case.hessian.concat(), 1e-6);
    }
}

#[test]
fn eight_threads_get_the_values_of_one_bit_for_bit() {
    for program in ["normal", "constrained", "decay"] {
        let model = model(program);
        let dim = model.param_unc_num();
        let evaluate = |i: usize| -> Vec<u64> {
            let theta: Vec<f64> = (0..dim).map(|j| (0.7 * i as f64 + 1.3 * j as f64).sin()).collect();
            let mut gradient = vec![0.0; dim];
            let with_gradient = model.log_density_gradient(&theta, true, true, &mut gradient).unwrap();
            let alone = model.log_density(&theta, false, true).unwrap();
            gradient.into_iter().chain([with_gradient, alone]).map(f64::to_bits).collect()
        };
        let alone: Vec<_> = (0..100).map(evaluate).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..100).map(evaluate).collect::<Vec<_>>())).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), alone);
            }
        });
    }
}

#[test]
fn generated_quantities_follow_their_generator() {
    let model = model("normal");
    let theta = vec![0.1; 8];
    let draw = |rng: &mut Rng<&StanLibrary>| {
        let mut out = vec![0.0; model.param_num(false, true)];
        model.param_constrain(&theta, false, true, &mut out, Some(rng)).unwrap();
        out
    };
    let (mut one, mut same, mut other) =
        (model.new_rng(1).unwrap(), model.new_rng(1).unwrap(), model.new_rng(2).unwrap());
    let first = draw(&mut one);
    assert_eq!(first, draw(&mut same));
    assert_ne!(first, draw(&mut other));
    assert_ne!(first, draw(&mut one));
}

#[test]
fn inits_keep_what_is_given() {
    let model = model("normal");
    let mut rng = model.new_rng(1).unwrap();
    let mut theta = vec![0.0; 8];
    model.param_initialize(&mut rng, c"{\"mu\": 3.5}", 0.5, 10, true, &mut theta).unwrap();
    assert_eq!(theta[0], 3.5);
    assert!(theta[1..].iter().all(|x| x.abs() < 0.5 && *x != 0.0));
    model.param_unconstrain_json(c"{\"mu\": 1, \"sigma\": 1, \"A\": [[1, 2, 3], [4, 5, 6]]}", &mut theta).unwrap();
    assert_eq!(theta, [1.0, 0.0, 1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
}

#[test]
fn what_stan_says_arrives_as_an_error() {
    let error = load("normal", "{\"N\": 2}").err().unwrap().to_string();
    assert!(error.contains("variable name=y"), "{error}");
    let error = load("normal", "{").err().unwrap().to_string();
    assert!(error.contains("JSON"), "{error}");
    let model = model("prints");
    for (x, words) in [(2.0, "x must not be positive; found x = 2"), (12.0, "x is out of hand")] {
        let error = model.log_density_gradient(&[x], true, true, &mut [0.0]).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("prints.stan', line"), "{error}");
    }
    assert_eq!(model.log_density(&[-2.0], true, true).unwrap(), -2.0);
}

#[test]
fn prints_reach_the_callback() {
    static PRINTED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    extern "C" fn keep(data: *const c_char, size: usize) {
        // SAFETY: the bridge hands over `size` bytes that live for the length of this call.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
        if let Ok(mut printed) = PRINTED.lock() {
            printed.extend_from_slice(bytes);
        }
    }
    let mut library = open_library(library("prints")).unwrap();
    // SAFETY: the callback never panics.
    unsafe { library.set_print_callback(keep) }.unwrap();
    let model = Model::new(library, None::<CString>, 1).unwrap();
    // Other tests of this process print through the same library.
    model.log_density(&[-0.015625], true, true).unwrap();
    let printed = PRINTED.lock().unwrap().clone();
    assert!(String::from_utf8(printed).unwrap().contains("x = -0.015625\n"));
}
