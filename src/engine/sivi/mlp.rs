//! A multilayer perceptron with two hidden layers, its gradient by backpropagation and its derivative along a
//! direction.
//!
//! Written out on matrix products: a step of this engine is some twenty small products, and the network libraries tried
//! spent several times as long on the bookkeeping between them (docs/contribute/decisions/008-network-library.md).

use crate::random::{Rng, fill_standard_normal};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, NdFloat, s};

/// A real number in double precision, in the precision of a network.
pub fn real<F: NdFloat>(value: f64) -> F {
    F::from(value).expect("every float type has a nearest number")
}

/// A network's number in double precision.
pub fn double<F: NdFloat>(value: F) -> f64 {
    value.to_f64().expect("every float type converts to double precision")
}

/// The sizes of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Inputs.
    pub inputs: usize,
    /// Units in each of the two hidden layers.
    pub hidden: usize,
    /// Outputs.
    pub outputs: usize,
}

impl Shape {
    /// The rows and columns of the parameter matrices in order; a bias is a matrix of one row. The last is the linear
    /// skip.
    fn blocks(self) -> [(usize, usize); 7] {
        let Self { inputs, hidden, outputs } = self;
        [
            (inputs, hidden),
            (1, hidden),
            (hidden, hidden),
            (1, hidden),
            (hidden, outputs),
            (1, outputs),
            (inputs, outputs),
        ]
    }

    /// How many parameters there are.
    pub fn parameters(self) -> usize {
        self.blocks().iter().map(|(rows, columns)| rows * columns).sum()
    }

    fn block<F>(self, parameters: &[F], index: usize) -> ArrayView2<'_, F> {
        let (start, dim) = self.place(index);
        ArrayView2::from_shape(dim, &parameters[start..start + dim.0 * dim.1]).expect("a block has its own size")
    }

    fn block_mut<F>(self, parameters: &mut [F], index: usize) -> ArrayViewMut2<'_, F> {
        let (start, dim) = self.place(index);
        ArrayViewMut2::from_shape(dim, &mut parameters[start..start + dim.0 * dim.1]).expect("a block has its own size")
    }

    fn place(self, index: usize) -> (usize, (usize, usize)) {
        let blocks = self.blocks();
        (blocks[..index].iter().map(|(rows, columns)| rows * columns).sum(), blocks[index])
    }
}

/// The indices of [`Shape::blocks`].
const FIRST: usize = 0;
const SECOND: usize = 2;
const LAST: usize = 4;
const SKIP: usize = 6;

/// x ↦ a(a(x W₁ + b₁) W₂ + b₂) W₃ + b₃ + x A, with a(u) = ½ u (1 + u/√(1+u²)): a smooth ramp, like the usual ones, that
/// takes one square root instead of an exponential. Parameters are one vector, so that optimisers need know no layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp<F> {
    shape: Shape,
    /// All parameters, the matrices row by row: W₁, b₁, W₂, b₂, W₃, b₃, A.
    pub parameters: Vec<F>,
}

/// What a forward pass leaves for the passes that differentiate it; its space is used again by the next.
#[derive(Debug, Clone)]
pub struct Tape<F> {
    activations: [Array2<F>; 2],
    slopes: [Array2<F>; 2],
    cotangents: [Array2<F>; 2],
    /// The outputs, rows × outputs.
    pub outputs: Array2<F>,
}

impl<F: NdFloat> Tape<F> {
    /// Space for `rows` inputs of a network of this shape.
    pub fn new(shape: Shape, rows: usize) -> Self {
        let hidden = || [(); 2].map(|()| Array2::zeros((rows, shape.hidden)));
        Self {
            activations: hidden(),
            slopes: hidden(),
            cotangents: hidden(),
            outputs: Array2::zeros((rows, shape.outputs)),
        }
    }
}

impl<F: NdFloat> Mlp<F> {
    /// Random hidden layers; the last layer's weights are `last` times their usual size and the linear skip is zero.
    pub fn random(shape: Shape, last: f64, rng: &mut Rng) -> Self {
        let mut parameters = vec![F::zero(); shape.parameters()];
        for (index, scale) in [(FIRST, 1.0), (SECOND, 1.0), (LAST, last)] {
            let (rows, columns) = shape.blocks()[index];
            // The second moment of a(u) for a standard normal u is about 0.4.
            let gain = if index == FIRST { 1.0 } else { 1.6 };
            let sd = scale * gain / (rows as f64).sqrt();
            let mut normal = vec![0.0; rows * columns];
            fill_standard_normal(rng, &mut normal);
            let (start, _) = shape.place(index);
            parameters[start..start + normal.len()].iter_mut().zip(normal).for_each(|(p, n)| *p = real(sd * n));
            if index == FIRST {
                let mut normal = vec![0.0; columns];
                fill_standard_normal(rng, &mut normal);
                let (start, _) = shape.place(index + 1);
                parameters[start..start + columns].iter_mut().zip(normal).for_each(|(p, n)| *p = real(0.5 * n));
            }
        }
        Self { shape, parameters }
    }

    /// A network from its parameters, if they are as many as its shape has.
    pub fn from_parameters(shape: Shape, parameters: Vec<F>) -> Option<Self> {
        (parameters.len() == shape.parameters()).then_some(Self { shape, parameters })
    }

    /// The same network in double precision.
    pub fn to_double(&self) -> Mlp<f64> {
        Mlp { shape: self.shape, parameters: self.parameters.iter().map(|&p| double(p)).collect() }
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Sets the linear skip A to `value` on its diagonal.
    pub fn set_skip(&mut self, value: f64) {
        self.shape.block_mut(&mut self.parameters, SKIP).diag_mut().fill(real(value));
    }

    fn matrix(&self, index: usize) -> ArrayView2<'_, F> {
        self.shape.block(&self.parameters, index)
    }

    fn bias(&self, index: usize) -> ArrayView1<'_, F> {
        self.matrix(index + 1).remove_axis(Axis(0))
    }

    /// The outputs for the rows of `inputs`, in `tape.outputs`.
    pub fn forward(&self, inputs: ArrayView2<'_, F>, tape: &mut Tape<F>) {
        let Tape { activations: [first, second], slopes: [first_slope, second_slope], outputs, .. } = tape;
        let one = F::one();
        first.assign(&self.bias(FIRST));
        general_mat_mul(one, &inputs, &self.matrix(FIRST), one, first);
        activate(first, first_slope);
        second.assign(&self.bias(SECOND));
        general_mat_mul(one, first, &self.matrix(SECOND), one, second);
        activate(second, second_slope);
        outputs.assign(&self.bias(LAST));
        general_mat_mul(one, second, &self.matrix(LAST), one, outputs);
        general_mat_mul(one, &inputs, &self.matrix(SKIP), one, outputs);
    }

    /// The gradient of Σ cotangent · outputs, after a forward pass on `inputs`: in the parameters, written to
    /// `gradient`, and in the inputs, written to `input_gradient` if that is asked for.
    pub fn backward(
        &self,
        inputs: ArrayView2<'_, F>,
        cotangent: ArrayView2<'_, F>,
        tape: &mut Tape<F>,
        gradient: &mut [F],
        input_gradient: Option<&mut Array2<F>>,
    ) {
        let Tape { activations: [first, second], slopes, cotangents: [to_first, to_second], .. } = tape;
        let (one, zero, shape) = (F::one(), F::zero(), self.shape);
        let mut layer = |index: usize, inputs: ArrayView2<'_, F>, cotangent: ArrayView2<'_, F>| {
            general_mat_mul(one, &inputs.t(), &cotangent, zero, &mut shape.block_mut(gradient, index));
            if index != SKIP {
                let total = cotangent.sum_axis(Axis(0)).insert_axis(Axis(0));
                shape.block_mut(gradient, index + 1).assign(&total);
            }
        };
        layer(LAST, second.view(), cotangent);
        layer(SKIP, inputs, cotangent);
        general_mat_mul(one, &cotangent, &self.matrix(LAST).t(), zero, to_second);
        *to_second *= &slopes[1];
        layer(SECOND, first.view(), to_second.view());
        general_mat_mul(one, to_second, &self.matrix(SECOND).t(), zero, to_first);
        *to_first *= &slopes[0];
        layer(FIRST, inputs, to_first.view());
        if let Some(input_gradient) = input_gradient {
            general_mat_mul(one, to_first, &self.matrix(FIRST).t(), zero, input_gradient);
            general_mat_mul(one, &cotangent, &self.matrix(SKIP).t(), one, input_gradient);
        }
    }

    /// The derivatives of the outputs of one row of the last forward pass in all inputs: the Jacobian's transpose,
    /// inputs × outputs.
    pub fn jacobian(&self, tape: &Tape<F>, row: usize) -> Array2<F> {
        let slope = |layer: usize| tape.slopes[layer].slice(s![row, ..]);
        let first = &self.matrix(FIRST) * &slope(0);
        let second = first.dot(&self.matrix(SECOND)) * slope(1);
        second.dot(&self.matrix(LAST)) + self.matrix(SKIP)
    }
}

/// Replaces u by a(u) and writes a'(u) to `slopes`.
fn activate<F: NdFloat>(values: &mut Array2<F>, slopes: &mut Array2<F>) {
    let (one, half): (F, F) = (F::one(), real(0.5));
    let values = values.as_slice_mut().expect("our own tables are contiguous");
    let slopes = slopes.as_slice_mut().expect("our own tables are contiguous");
    for (value, slope) in values.iter_mut().zip(slopes) {
        let u = *value;
        let squared = (one + u * u).recip();
        let sine = u * squared.sqrt();
        *value = half * u * (one + sine);
        *slope = half * (one + sine + sine * squared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};

    fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
        standard_normal(&mut stream(seed, 0), (rows, columns))
    }

    #[test]
    fn all_derivatives_are_those_of_finite_differences() {
        let shape = Shape { inputs: 3, hidden: 9, outputs: 2 };
        let mut network = Mlp::<f64>::random(shape, 1.0, &mut stream(1, 0));
        network.set_skip(0.7);
        let (inputs, weights) = (random(5, 3, 2), random(5, 2, 3));
        let mut tape = Tape::new(shape, 5);
        let mut value = |network: &Mlp<f64>, inputs: &Array2<f64>| {
            network.forward(inputs.view(), &mut tape);
            (&tape.outputs * &weights).sum()
        };
        let step = 1e-6;
        let mut expected = Vec::new();
        for index in 0..network.parameters.len() {
            let kept = network.parameters[index];
            network.parameters[index] = kept + step;
            let above = value(&network, &inputs);
            network.parameters[index] = kept - step;
            expected.push((above - value(&network, &inputs)) / (2.0 * step));
            network.parameters[index] = kept;
        }
        let mut expected_inputs = Array2::zeros((5, 3));
        for (index, expected) in expected_inputs.indexed_iter_mut() {
            let mut moved = inputs.clone();
            moved[index] += step;
            let above = value(&network, &moved);
            moved[index] -= 2.0 * step;
            *expected = (above - value(&network, &moved)) / (2.0 * step);
        }
        let mut tape = Tape::new(shape, 5);
        network.forward(inputs.view(), &mut tape);
        let mut gradient = vec![0.0; shape.parameters()];
        let mut input_gradient = Array2::zeros((5, 3));
        network.backward(inputs.view(), weights.view(), &mut tape, &mut gradient, Some(&mut input_gradient));
        assert!(gradient.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-7), "{gradient:?}\n{expected:?}");
        assert!((&input_gradient - &expected_inputs).iter().all(|d| d.abs() < 1e-7));
        for row in 0..5 {
            let through_jacobian = network.jacobian(&tape, row).dot(&weights.row(row));
            assert!((&through_jacobian - &expected_inputs.row(row)).iter().all(|d| d.abs() < 1e-7));
        }
    }
}
