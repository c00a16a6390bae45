//! A model in the coordinates u of a triangular map x = T(u), for chains: where the map is nearly right, the posterior is
//! nearly a standard normal there, without the funnels and bends of the original scale.

use crate::model::{CountingTarget, EvaluationError, Generator, Model, Target};
use crate::transport::{Transported, TriangularMap};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// The density in the coordinates of a map, and the quantities of the model at the points that the coordinates stand for.
pub struct MapCoordinates<'a> {
    model: &'a dyn Model,
    target: Transported<&'a CountingTarget<&'a dyn Model>>,
}

impl<'a> MapCoordinates<'a> {
    /// The coordinates of `map`, which has the dimension of `model`. Densities are those of `target`, which counts them.
    pub fn new(model: &'a dyn Model, target: &'a CountingTarget<&'a dyn Model>, map: TriangularMap) -> Self {
        Self { model, target: Transported::new(target, map) }
    }

    /// The points x (n × D) of coordinates u (n × D).
    pub fn points(&self, u: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut points = Array2::zeros(u.dim());
        self.target.map().draws(u, points.view_mut());
        points
    }

    fn point(&self, u: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; u.len()];
        self.target.original(u, &mut x);
        x
    }
}

impl Target for MapCoordinates<'_> {
    fn dim(&self) -> usize {
        self.target.dim()
    }

    fn log_density(&self, u: &[f64]) -> Result<f64, EvaluationError> {
        self.target.log_density(u)
    }

    fn log_density_and_score(&self, u: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        self.target.log_density_and_score(u, score)
    }

    fn log_densities_and_scores(
        &self,
        points: ArrayView2<'_, f64>,
        scores: ArrayViewMut2<'_, f64>,
        log_densities: &mut [f64],
        rejected: &mut dyn FnMut(EvaluationError),
    ) {
        self.target.log_densities_and_scores(points, scores, log_densities, rejected);
    }
}

impl Model for MapCoordinates<'_> {
    fn names(&self) -> &[String] {
        self.model.names()
    }

    fn parameter_count(&self) -> usize {
        self.model.parameter_count()
    }

    fn transformed_parameter_count(&self) -> usize {
        self.model.transformed_parameter_count()
    }

    fn is_normalized(&self) -> bool {
        self.model.is_normalized()
    }

    fn unconstrained_names(&self) -> Vec<String> {
        self.model.unconstrained_names()
    }

    fn constrain_parameters(&self, u: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.model.constrain_parameters(&self.point(u), out)
    }

    fn constrain_transformed(&self, u: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.model.constrain_transformed(&self.point(u), out)
    }

    fn generator(&self, seed: u32) -> Result<Box<dyn Generator + '_>, EvaluationError> {
        Ok(Box::new(OfCoordinates { coordinates: self, generator: self.model.generator(seed)? }))
    }

    fn unconstrain(&self, parameters: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        let x = Array2::from_shape_vec((1, self.dim()), self.model.unconstrain(parameters)?)
            .expect("a point has D coordinates");
        let mut u = Array2::zeros(x.dim());
        self.target.map().noise(x.view(), u.view_mut());
        Ok(u.into_raw_vec_and_offset().0)
    }
}

/// The model's generator, at the points that coordinates stand for.
struct OfCoordinates<'a> {
    coordinates: &'a MapCoordinates<'a>,
    generator: Box<dyn Generator + 'a>,
}

impl Generator for OfCoordinates<'_> {
    fn constrain(&mut self, u: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.generator.constrain(&self.coordinates.point(u), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Gaussian, Unconstrained};
    use crate::random::{standard_normal, stream};
    use crate::transport::testing::random_map;

    #[test]
    fn quantities_are_those_of_the_points_that_coordinates_stand_for() {
        let map = random_map(4, 1, 0.2, 3);
        let model = Unconstrained::new(Gaussian::with_condition_number(4, 10.0, &mut stream(1, 0)));
        let model: &dyn Model = &model;
        let target = CountingTarget::new(model);
        let coordinates = MapCoordinates::new(model, &target, map.clone());
        let noise = standard_normal(&mut stream(2, 0), (5, 4));
        let mut points = Array2::zeros(noise.dim());
        let log_dets = map.draws(noise.view(), points.view_mut());
        assert_eq!(coordinates.points(noise.view()), points);
        let mut generator = coordinates.generator(1).unwrap();
        for ((u, x), log_det) in noise.rows().into_iter().zip(points.rows()).zip(log_dets) {
            let (u, x) = (u.to_vec(), x.to_vec());
            let (mut parameters, mut transformed, mut all) = (vec![0.0; 4], vec![0.0; 4], vec![0.0; 4]);
            coordinates.constrain_parameters(&u, &mut parameters).unwrap();
            coordinates.constrain_transformed(&u, &mut transformed).unwrap();
            generator.constrain(&u, &mut all).unwrap();
            assert_eq!([&parameters, &transformed, &all], [&x; 3]);
            let back = coordinates.unconstrain(&x).unwrap();
            assert!(back.iter().zip(&u).all(|(back, u)| (back - u).abs() < 1e-9), "{back:?} and {u:?}");
            let log_density = coordinates.log_density(&u).unwrap();
            assert!((log_density - model.log_density(&x).unwrap() - log_det).abs() < 1e-9);
        }
        assert_eq!(target.counts().density_evaluations, 5);
        assert_eq!((coordinates.names(), coordinates.parameter_count()), (model.names(), 4));
    }
}
