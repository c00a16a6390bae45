//! What benches say of several measurements at once.

/// The least-squares slope of the logarithms of `values` on those of the dimensions: the exponent of their growth.
pub fn slope(dims: &[usize], values: &[f64]) -> f64 {
    let centred = |values: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
        let logs: Vec<f64> = values.map(f64::ln).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        logs.iter().map(|log| log - mean).collect()
    };
    let (x, y) = (centred(&mut dims.iter().map(|&dim| dim as f64)), centred(&mut values.iter().copied()));
    x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / x.iter().map(|x| x * x).sum::<f64>()
}
