//! The semi-implicit family: z ~ N(0, I_m), x = μ(z) + σ ∘ ε with ε ~ N(0, I_D), where μ is a network (Yin and Zhou
//! 2018, arXiv 1805.11183). Its density is an integral over z; draws are easy.

use super::mlp::{Mlp, Shape, Tape, double, real};
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array2, NdFloat, s};

/// Draws that are made at a time, for which space is kept.
const CHUNK: usize = 1024;

/// A mixture of Gaussians with one diagonal covariance and a continuum of means.
#[derive(Debug, Clone, PartialEq)]
pub struct SemiImplicit<F> {
    /// μ, from R^m to R^D.
    pub mean: Mlp<F>,
    /// log σ, of length D.
    pub log_sds: Vec<F>,
}

impl<F: NdFloat> SemiImplicit<F> {
    /// A family that begins as N(0, I) to good accuracy: a linear map of z with a network that is almost zero, and
    /// noise of standard deviation `noise` below 1. `latent` is m, at least `dim`.
    pub fn standard_normal(dim: usize, latent: usize, hidden: usize, noise: f64, rng: &mut Rng) -> Self {
        let mut mean = Mlp::random(Shape { inputs: latent, hidden, outputs: dim }, 1e-2, rng);
        mean.set_skip((1.0 - noise * noise).sqrt());
        Self { mean, log_sds: vec![real(noise.ln()); dim] }
    }

    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.log_sds.len()
    }

    /// The dimension m of z.
    pub fn latent(&self) -> usize {
        self.mean.shape().inputs
    }

    /// σ, of length D.
    pub fn sds(&self) -> Vec<F> {
        self.log_sds.iter().map(|l| l.exp()).collect()
    }

    /// `count` draws of x (count × D), with the z (count × m) that they came from.
    pub fn draws(&self, count: usize, rng: &mut Rng) -> (Array2<f64>, Array2<f64>) {
        let (dim, latent) = (self.dim(), self.latent());
        let sds = self.sds();
        let mut x = Array2::zeros((count, dim));
        let mut z = Array2::zeros((count, latent));
        for start in (0..count).step_by(CHUNK) {
            let rows = CHUNK.min(count - start);
            let mut normal = Array2::zeros((rows, latent));
            fill_standard_normal(rng, normal.as_slice_mut().expect("a fresh array is contiguous"));
            let mut noise = Array2::zeros((rows, dim));
            fill_standard_normal(rng, noise.as_slice_mut().expect("a fresh array is contiguous"));
            let mut tape = Tape::new(self.mean.shape(), rows);
            self.mean.forward(normal.mapv(real::<F>).view(), &mut tape);
            for ((row, column), x) in x.slice_mut(s![start..start + rows, ..]).indexed_iter_mut() {
                *x = double(tape.outputs[[row, column]]) + double(sds[column]) * noise[[row, column]];
            }
            z.slice_mut(s![start..start + rows, ..]).assign(&normal);
        }
        (x, z)
    }

    /// The same family in double precision.
    pub fn to_double(&self) -> SemiImplicit<f64> {
        SemiImplicit { mean: self.mean.to_double(), log_sds: self.log_sds.iter().map(|&l| double(l)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use ndarray::Axis;

    #[test]
    fn it_begins_as_the_standard_normal() {
        let family = SemiImplicit::<f32>::standard_normal(3, 4, 20, 0.3, &mut stream(1, 0));
        let (draws, z) = family.draws(50_000, &mut stream(2, 0));
        assert_eq!((draws.dim(), z.dim()), ((50_000, 3), (50_000, 4)));
        let mean = draws.mean_axis(Axis(0)).unwrap();
        let covariance = draws.t().dot(&draws) / 50_000.0;
        assert!(mean.iter().all(|m| m.abs() < 0.03), "{mean}");
        assert!((covariance - Array2::<f64>::eye(3)).iter().all(|d| d.abs() < 0.04));
    }
}
