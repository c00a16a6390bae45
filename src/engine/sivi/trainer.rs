//! The training loop, one step at a time: it can be watched, stopped, saved and resumed.

use super::adam::Adam;
use super::mlp::{Mlp, Shape, real};
use super::objective::{Objective, Value};
use super::{SemiImplicit, SiviError, SiviObjective, SiviOptions, SurrogateElbo};
use crate::model::Target;
use crate::random::{Rng, Stream, fill_standard_normal};
use ndarray::{Array2, NdFloat};

/// One line of a semi-implicit fit's trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SiviRow {
    /// The step, from 0.
    pub step: usize,
    /// The score divergence per dimension through the critic, estimated from below by the batch; or minus the surrogate
    /// evidence lower bound.
    pub loss: f64,
    /// Draws that the target rejected.
    pub rejected: usize,
}

/// The part of a run, from its end, over which the family's parameters are averaged.
const AVERAGED: f64 = 0.05;

/// A semi-implicit fit in progress.
pub struct Trainer<F> {
    pub(super) options: SiviOptions,
    pub(super) family: SemiImplicit<F>,
    pub(super) critic: Mlp<F>,
    pub(super) mean_adam: Adam<F>,
    pub(super) log_sd_adam: Adam<F>,
    pub(super) critic_adam: Adam<F>,
    /// A running mean of the family's parameters.
    pub(super) average: SemiImplicit<F>,
    pub(super) step: usize,
    pub(super) rng: Rng,
    objective: Either<F>,
    z: Array2<F>,
    noise: Array2<F>,
    normal: Vec<f64>,
}

enum Either<F> {
    ScoreMatching(Box<Objective<F>>),
    SurrogateElbo(Box<SurrogateElbo<F>>),
}

impl<F: NdFloat> Trainer<F> {
    /// The beginning, as the standard normal on R^`dim`.
    ///
    /// # Errors
    /// Where an option makes no sense.
    pub fn new(dim: usize, options: SiviOptions) -> Result<Self, SiviError> {
        options.check(dim)?;
        let mut rng = Stream::Training.of(options.seed);
        let latent = options.latent_for(dim);
        let family = SemiImplicit::standard_normal(dim, latent, options.hidden, options.noise, &mut rng);
        let shape = Shape { inputs: dim, hidden: options.critic_hidden, outputs: dim };
        let critic = Mlp::random(shape, 1e-2, &mut rng);
        let adams = [family.mean.parameters.len(), dim, shape.parameters()].map(Adam::new);
        Ok(Self::assemble(options, family.clone(), family, critic, adams, 0, rng))
    }

    pub(super) fn assemble(
        options: SiviOptions,
        family: SemiImplicit<F>,
        average: SemiImplicit<F>,
        critic: Mlp<F>,
        adams: [Adam<F>; 3],
        step: usize,
        rng: Rng,
    ) -> Self {
        let pairs = options.batch / 2;
        let (dim, latent) = (family.dim(), family.latent());
        let objective = match options.objective {
            SiviObjective::ScoreMatching => Either::ScoreMatching(Box::new(Objective::new(&family, &critic, pairs))),
            SiviObjective::SurrogateElbo => {
                Either::SurrogateElbo(Box::new(SurrogateElbo::new(&family, 2 * pairs, options.components)))
            }
        };
        let [mean_adam, log_sd_adam, critic_adam] = adams;
        // The lower bound has a noise and a z for each draw, and further components.
        let (values, noises) = match options.objective {
            SiviObjective::ScoreMatching => (pairs, pairs),
            SiviObjective::SurrogateElbo => (2 * pairs + options.components, 2 * pairs),
        };
        Self {
            family,
            critic,
            mean_adam,
            log_sd_adam,
            critic_adam,
            average,
            step,
            rng,
            objective,
            z: Array2::zeros((values, latent)),
            noise: Array2::zeros((noises, dim)),
            normal: vec![0.0; values.max(noises) * latent.max(dim)],
            options,
        }
    }

    /// What was asked for.
    pub fn options(&self) -> &SiviOptions {
        &self.options
    }

    /// Whether all steps are done.
    pub fn is_finished(&self) -> bool {
        self.step >= self.options.steps
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// The running mean of the family's iterates, over the last twentieth of the steps so far.
    pub fn averaged(&self) -> &SemiImplicit<F> {
        &self.average
    }

    /// The critic as it stands.
    pub fn critic(&self) -> &Mlp<F> {
        &self.critic
    }

    /// One step. On an error the state is as before, but for the random numbers.
    pub fn step<T: Target + ?Sized>(&mut self, target: &T) -> Result<SiviRow, SiviError> {
        for table in [&mut self.z, &mut self.noise] {
            let normal = &mut self.normal[..table.len()];
            fill_standard_normal(&mut self.rng, normal);
            table.iter_mut().zip(normal).for_each(|(value, normal)| *value = real(*normal));
        }
        let Value { loss, rejected } = match &mut self.objective {
            Either::ScoreMatching(objective) => {
                let (temper, descent) = (self.options.temper_at(self.step), self.options.descent_at(self.step));
                objective.evaluate(&self.family, &self.critic, target, &self.z, &self.noise, temper, descent)?
            }
            Either::SurrogateElbo(objective) => objective.evaluate(&self.family, target, &self.z, &self.noise)?,
        };
        let decay = self.options.decay_at(self.step);
        let (mean_gradient, log_sd_gradient) = match &mut self.objective {
            Either::ScoreMatching(objective) => {
                let rate = decay * self.options.critic_rate;
                let parameters = &mut self.critic.parameters;
                self.critic_adam.descend(parameters, &objective.critic_gradient, rate);
                for _ in 1..self.options.inner_steps {
                    objective.follow(&self.critic);
                    let parameters = &mut self.critic.parameters;
                    self.critic_adam.descend(parameters, &objective.critic_gradient, rate);
                }
                (&objective.mean_gradient, &objective.log_sd_gradient)
            }
            Either::SurrogateElbo(objective) => (&objective.mean_gradient, &objective.log_sd_gradient),
        };
        let rate = decay * self.options.rate;
        self.mean_adam.descend(&mut self.family.mean.parameters, mean_gradient, rate);
        self.log_sd_adam.descend(&mut self.family.log_sds, log_sd_gradient, rate);
        let floor: F = real(self.options.noise_floor.ln());
        self.family.log_sds.iter_mut().for_each(|log_sd| *log_sd = log_sd.max(floor));

        let row = SiviRow { step: self.step, loss, rejected };
        self.step += 1;
        let weight: F = real((AVERAGED * self.step as f64).max(1.0).recip());
        let average = self.average.mean.parameters.iter_mut().chain(&mut self.average.log_sds);
        let iterate = self.family.mean.parameters.iter().chain(&self.family.log_sds);
        average.zip(iterate).for_each(|(average, &value)| *average += weight * (value - *average));
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Banana, EvaluationError};

    fn short() -> SiviOptions {
        SiviOptions { hidden: 8, critic_hidden: 8, batch: 8, steps: 40, ..SiviOptions::default() }
    }

    fn error_of(options: SiviOptions) -> String {
        Trainer::<f64>::new(2, options).err().expect("an error").to_string()
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused_by_name() {
        assert!(error_of(SiviOptions { batch: 7, ..short() }).contains("the batch"));
        assert!(error_of(SiviOptions { latent: Some(1), ..short() }).contains("the dimension of z"));
        assert!(error_of(SiviOptions { hidden: 0, ..short() }).contains("the hidden size"));
        assert!(error_of(SiviOptions { rate: f64::NAN, ..short() }).contains("the learning rate"));
        assert!(error_of(SiviOptions { noise: 1.5, ..short() }).contains("the noise"));
    }

    /// Banana with what is asked taken away.
    struct Broken {
        scores: bool,
        products: bool,
    }
    impl Target for Broken {
        fn dim(&self) -> usize {
            2
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            Banana.log_density(x)
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            if self.scores { Banana.log_density_and_score(x, score) } else { Err(EvaluationError::NotFinite) }
        }
        fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
            if self.products {
                Banana.hessian_vector(x, v, out)
            } else {
                Err(EvaluationError::Program("no Hessian".into()))
            }
        }
    }

    #[test]
    fn a_target_without_scores_or_products_is_an_error() {
        let at_once = SiviOptions { transport: 0.0, ..short() };
        let step = |target: &dyn Target| Trainer::<f64>::new(2, at_once.clone()).unwrap().step(target).unwrap_err();
        assert_eq!(step(&Broken { scores: false, products: true }), SiviError::NoUsableDraws);
        let error = step(&Broken { scores: true, products: false });
        assert_eq!(error, SiviError::NoProducts(EvaluationError::Program("no Hessian".into())));
        assert!(error.to_string().contains("Hessian"), "{error}");
    }

    #[test]
    fn a_loss_that_is_not_finite_is_an_error() {
        let mut trainer = Trainer::<f64>::new(2, short()).unwrap();
        trainer.critic.parameters.fill(1e200);
        assert_eq!(trainer.step(&Banana), Err(SiviError::NotFinite));
    }

    #[test]
    fn the_result_does_not_depend_on_the_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut trainer = Trainer::<f32>::new(2, short()).unwrap();
                while !trainer.is_finished() {
                    trainer.step(&Slow).unwrap();
                }
                trainer.averaged().clone()
            })
        };
        assert_eq!(run(1), run(3));
    }

    /// Slow enough that threads are worth it.
    struct Slow;
    impl Target for Slow {
        fn dim(&self) -> usize {
            2
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            Banana.log_density(x)
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            (0..500).try_fold(0.0, |_, _| Banana.log_density_and_score(std::hint::black_box(x), score))
        }
    }
}
