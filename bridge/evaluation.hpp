// Log densities and their derivatives, by Stan's automatic differentiation.
#pragma once

#include "print.hpp"

#include <stan/model/model_base.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace bridge {

using stan::math::var;
using stan::model::model_base;

template <typename T>
using vector_of = Eigen::Matrix<T, Eigen::Dynamic, 1>;
using const_vector_map = Eigen::Map<const Eigen::VectorXd>;
using vector_map = Eigen::Map<Eigen::VectorXd>;

/// What every thread that evaluates models needs of its own: Stan's autodiff tape and a stream for prints.
struct thread_state {
  // Adopts the tape that Stan's TBB observer gives to the thread that loads the library; otherwise makes one.
  stan::math::ChainableStack tape;
  print_stream messages;

  static thread_state& current() {
    static thread_local thread_state state;
    return state;
  }
};

/// Which terms a log density holds.
struct terms {
  bool propto;
  bool jacobian;
};

/// One call's use of a model by the calling thread.
class evaluation {
 public:
  explicit evaluation(const model_base& model) : model_(model), thread_(thread_state::current()) {}
  ~evaluation() { thread_.messages.finish(); }
  evaluation(const evaluation&) = delete;
  evaluation& operator=(const evaluation&) = delete;

  std::ostream* messages() { return thread_.messages.get(); }

  double log_density(terms which, const double* theta_unc) {
    if (!which.propto) {
      Eigen::VectorXd theta = const_vector_map(theta_unc, size());
      return log_prob(which, theta);
    }
    // With `double` arguments Stan would find every term constant, and drop them all.
    stan::math::nested_rev_autodiff nested;
    vector_of<var> theta = const_vector_map(theta_unc, size());
    return log_prob(which, theta).val();
  }

  double gradient(terms which, const double* theta_unc, double* gradient) {
    stan::math::nested_rev_autodiff nested;
    vector_of<var> theta = const_vector_map(theta_unc, size());
    var lp = log_prob(which, theta);
    stan::math::grad(lp.vi_);
    vector_map(gradient, size()) = theta.adj();
    return lp.val();
  }

  /// The Hessian is symmetric, so that its storage order does not matter.
  double hessian(terms which, const double* theta_unc, double* gradient, double* hessian);

  double hessian_vector_product(terms which, const double* theta_unc, const double* vector, double* product);

 private:
  Eigen::Index size() const { return static_cast<Eigen::Index>(model_.num_params_r()); }

  template <typename T>
  T log_prob(terms which, vector_of<T>& theta) {
    if (which.propto)
      return which.jacobian ? model_.log_prob_propto_jacobian(theta, messages())
                            : model_.log_prob_propto(theta, messages());
    return which.jacobian ? model_.log_prob_jacobian(theta, messages()) : model_.log_prob(theta, messages());
  }

  const model_base& model_;
  thread_state& thread_;
};

#ifdef BRIDGESTAN_AD_HESSIAN

inline double evaluation::hessian_vector_product(terms which, const double* theta_unc, const double* vector,
                                                 double* product) {
  // Forward over reverse: the tangent of the log density along `vector`, then the gradient of that tangent.
  using stan::math::fvar;
  stan::math::nested_rev_autodiff nested;
  vector_of<fvar<var>> theta(size());
  for (Eigen::Index i = 0; i < size(); ++i)
    theta[i] = fvar<var>(var(theta_unc[i]), var(vector[i]));
  fvar<var> lp = log_prob(which, theta);

  // Some of Stan's functions have a wrong forward derivative (in 2.35, the unit vector's). The reverse one tells.
  stan::math::grad(lp.val_.vi_);
  double tangent = 0, magnitude = 0;
  for (Eigen::Index i = 0; i < size(); ++i) {
    const double part = theta[i].val_.adj() * vector[i];
    tangent += part;
    magnitude += std::abs(part);
  }
  if (!(std::abs(lp.d_.val() - tangent) <= 1e-6 * magnitude + 1e-8 * (1 + std::abs(lp.val_.val()))))
    throw std::logic_error(
        "a function of this program has no correct second derivatives in Stan; "
        "compile the program without BRIDGESTAN_AD_HESSIAN");

  nested.set_zero_all_adjoints();
  stan::math::grad(lp.d_.vi_);
  for (Eigen::Index i = 0; i < size(); ++i)
    product[i] = theta[i].val_.adj();
  return lp.val_.val();
}

inline double evaluation::hessian(terms which, const double* theta_unc, double* gradient, double* hessian) {
  double lp = this->gradient(which, theta_unc, gradient);
  Eigen::VectorXd direction = Eigen::VectorXd::Zero(size());
  for (Eigen::Index i = 0; i < size(); ++i) {
    direction[i] = 1;
    hessian_vector_product(which, theta_unc, direction.data(), hessian + i * size());
    direction[i] = 0;
  }
  return lp;
}

#else

// Central differences of a function computed to machine precision have their smallest error, about eps^(2/3),
// with a step near the cube root of eps (Nocedal & Wright 2006, section 8.1).
inline double difference_step(double coordinate) {
  return std::cbrt(std::numeric_limits<double>::epsilon()) * std::max(1.0, std::abs(coordinate));
}

inline double evaluation::hessian_vector_product(terms which, const double* theta_unc, const double* vector,
                                                 double* product) {
  const_vector_map theta(theta_unc, size()), direction(vector, size());
  vector_map result(product, size());
  double lp = log_density(which, theta_unc);
  double step = std::numeric_limits<double>::infinity();
  for (Eigen::Index i = 0; i < size(); ++i)
    if (direction[i] != 0)
      step = std::min(step, difference_step(theta[i]) / std::abs(direction[i]));
  if (std::isinf(step)) {
    result.setZero();
    return lp;
  }
  Eigen::VectorXd shifted = theta + step * direction;
  Eigen::VectorXd after(size());
  gradient(which, shifted.data(), after.data());
  shifted = theta - step * direction;
  gradient(which, shifted.data(), product);
  result = (after - result) / (2 * step);
  return lp;
}

inline double evaluation::hessian(terms which, const double* theta_unc, double* gradient, double* hessian) {
  double lp = this->gradient(which, theta_unc, gradient);
  Eigen::Map<Eigen::MatrixXd> result(hessian, size(), size());
  Eigen::VectorXd shifted = const_vector_map(theta_unc, size());
  Eigen::VectorXd before(size());
  for (Eigen::Index i = 0; i < size(); ++i) {
    double step = difference_step(theta_unc[i]);
    shifted[i] = theta_unc[i] - step;
    double width = shifted[i];
    this->gradient(which, shifted.data(), before.data());
    shifted[i] = theta_unc[i] + step;
    width = shifted[i] - width;
    this->gradient(which, shifted.data(), result.col(i).data());
    result.col(i) = (result.col(i) - before) / width;
    shifted[i] = theta_unc[i];
  }
  result = (0.5 * (result + result.transpose())).eval();
  return lp;
}

#endif

}  // namespace bridge
