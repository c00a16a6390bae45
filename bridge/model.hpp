// A Stan program with its data, and the names and transforms of its parameters.
#pragma once

#include "evaluation.hpp"
#include "json.hpp"

#include <stan/io/ends_with.hpp>
#include <stan/services/util/create_rng.hpp>
#include <stan/version.hpp>

#include <boost/random/uniform_real_distribution.hpp>

#include <complex>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

/// Defined by the C++ that stanc writes for a program.
stan::model::model_base& new_model(stan::io::var_context& data, unsigned int seed, std::ostream* messages);

/// A generator of pseudorandom numbers for generated quantities and random inits.
class bs_rng {
 public:
  explicit bs_rng(unsigned int seed) : generator(stan::services::util::create_rng(seed, 0)) {}

  stan::rng_t generator;
};

class bs_model {
 public:
  bs_model(const char* data, unsigned int seed);

  const stan::model::model_base& density() const { return *model_; }
  int size() const { return static_cast<int>(model_->num_params_r()); }

  const std::string& name() const { return name_; }
  const std::string& info() const { return info_; }
  const std::string& unconstrained_names() const { return unconstrained_names_; }
  const std::string& names(bool tp, bool gq) const { return outputs_[tp][gq].names; }
  int num(bool tp, bool gq) const { return outputs_[tp][gq].num; }

  void constrain(bool tp, bool gq, const double* theta_unc, double* theta, bs_rng* rng) const;
  void unconstrain(const double* theta, double* theta_unc) const;
  void unconstrain_json(const char* json, double* theta_unc) const;
  void initialize(const char* json, bs_rng* rng, double init_radius, int max_tries, bool jacobian,
                  double* theta_unc) const;

 private:
  Eigen::VectorXd unconstrained(const Eigen::VectorXd& constrained) const;

  struct output {
    std::string names;
    int num;
  };

  std::unique_ptr<stan::model::model_base> model_;
  std::string name_;
  std::string info_;
  std::string unconstrained_names_;
  output outputs_[2][2];  // with transformed parameters, with generated quantities
};

namespace bridge {

inline std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) {
    if (!all.empty())
      all += ',';
    all += name;
  }
  return all;
}

inline std::string describe(const stan::model::model_base& model) {
  std::ostringstream info;
  info << "Interface: BridgeStan " BRIDGESTAN_VERSION ", as implemented by stanmatch\n"
       << "Stan version: " << stan::MAJOR_VERSION << '.' << stan::MINOR_VERSION << '.' << stan::PATCH_VERSION << '\n'
       << "Stan defines:\n"
#ifdef STAN_THREADS
       << "\tSTAN_THREADS=true\n"
#else
       << "\tSTAN_THREADS=false\n"
#endif
#ifdef BRIDGESTAN_AD_HESSIAN
       << "\tBRIDGESTAN_AD_HESSIAN=true\n"
#else
       << "\tBRIDGESTAN_AD_HESSIAN=false\n"
#endif
#ifdef BRIDGE_COMPILE_FLAGS
       << "Compiler flags: " BRIDGE_COMPILE_FLAGS "\n"
#endif
       << "Compiler: " << __VERSION__ << '\n'
       << "Stan compiler:\n";
  for (const std::string& line : model.model_compile_info())
    info << '\t' << line << '\n';
  return info.str();
}

/// The variable of a scalar: that of `theta.1.2` is `theta`, and that of a tuple's member `pairs.3:2.1` is `pairs.2`.
inline std::string variable_of(const std::string& scalar) {
  std::istringstream members(scalar);
  std::string variable, member;
  while (std::getline(members, member, ':')) {
    if (!variable.empty())
      variable += '.';
    variable += member.substr(0, member.find('.'));
  }
  return variable;
}

/// The values of one variable in Stan's order, each complex number as its two parts.
inline std::vector<double> values_of(const stan::io::var_context& context, const std::string& variable, bool complex) {
  if (!complex)
    return context.vals_r(variable);
  std::vector<double> parts;
  for (const std::complex<double>& value : context.vals_c(variable)) {
    parts.push_back(value.real());
    parts.push_back(value.imag());
  }
  return parts;
}

/// Writes the parameters that `context` holds over those in `constrained`, with `require_all` all of them. Stan's own
/// transform_inits is not used: as stanc 2.35 writes it with --O1, it fails for tuples that hold containers.
inline void read_parameters(const stan::model::model_base& model, const stan::io::var_context& context,
                            bool require_all, Eigen::VectorXd& constrained) {
  std::vector<std::string> variables, scalars;
  std::vector<std::vector<std::size_t>> dimensions;
  model.get_param_names(variables, false, false);
  model.get_dims(dimensions, false, false);
  for (std::size_t i = 0; i < variables.size(); ++i)
    if (require_all || context.contains_r(variables[i]))
      context.validate_dims("parameter initialization", variables[i], "double", dimensions[i]);

  // The members of an array of tuples interleave: each variable has a place of its own up to which it is read.
  struct source {
    std::vector<double> values;
    std::size_t next = 0;
  };
  std::map<std::string, source> sources;
  model.constrained_param_names(scalars, false, false);
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    const std::string variable = variable_of(scalars[i]);
    if (!context.contains_r(variable))
      continue;
    auto [entry, is_new] = sources.try_emplace(variable);
    source& from = entry->second;
    if (is_new)
      from.values = values_of(context, variable, stan::io::ends_with(".real", scalars[i]));
    constrained[static_cast<Eigen::Index>(i)] = from.values.at(from.next++);
  }
}

inline bool finite_density(const stan::model::model_base& model, bool jacobian, const double* theta_unc) {
  return std::isfinite(evaluation(model).log_density({false, jacobian}, theta_unc));
}

}  // namespace bridge

inline bs_model::bs_model(const char* data, unsigned int seed) {
  std::unique_ptr<stan::io::var_context> context = bridge::read_data(data);
  // Programs may differentiate while they are constructed (a solver in transformed data), which takes this thread's tape.
  bridge::thread_state& thread = bridge::thread_state::current();
  model_.reset(&new_model(*context, seed, thread.messages.get()));
  thread.messages.finish();
  name_ = model_->model_name();
  info_ = bridge::describe(*model_);
  std::vector<std::string> names;
  model_->unconstrained_param_names(names, false, false);
  unconstrained_names_ = bridge::joined(names);
  for (bool tp : {false, true}) {
    for (bool gq : {false, true}) {
      names.clear();
      model_->constrained_param_names(names, tp, gq);
      outputs_[tp][gq] = {bridge::joined(names), static_cast<int>(names.size())};
    }
  }
}

inline void bs_model::constrain(bool tp, bool gq, const double* theta_unc, double* theta, bs_rng* rng) const {
  if (gq && rng == nullptr)
    throw std::invalid_argument("generated quantities need a random number generator (rng), which is null");
  // Only generated quantities may draw: without them the generator is a formality, but a costly one to seed.
  static const stan::rng_t unused_generator = stan::services::util::create_rng(1, 0);
  stan::rng_t placeholder = unused_generator;
  bridge::evaluation scope(*model_);
  Eigen::VectorXd unconstrained = bridge::const_vector_map(theta_unc, size());
  Eigen::VectorXd constrained;
  model_->write_array(rng == nullptr ? placeholder : rng->generator, unconstrained, constrained, tp, gq,
                      scope.messages());
  bridge::vector_map(theta, constrained.size()) = constrained;
}

inline Eigen::VectorXd bs_model::unconstrained(const Eigen::VectorXd& constrained) const {
  bridge::evaluation scope(*model_);
  Eigen::VectorXd theta;
  model_->unconstrain_array(constrained, theta, scope.messages());
  return theta;
}

inline void bs_model::unconstrain(const double* theta, double* theta_unc) const {
  bridge::vector_map(theta_unc, size()) = unconstrained(bridge::const_vector_map(theta, num(false, false)));
}

inline void bs_model::unconstrain_json(const char* json, double* theta_unc) const {
  Eigen::VectorXd constrained(num(false, false));
  bridge::read_parameters(*model_, *bridge::read_json(json), true, constrained);
  bridge::vector_map(theta_unc, size()) = unconstrained(constrained);
}

inline void bs_model::initialize(const char* json, bs_rng* rng, double init_radius, int max_tries, bool jacobian,
                                 double* theta_unc) const {
  std::unique_ptr<stan::io::var_context> given = bridge::read_json(json);
  std::vector<std::string> parameters;
  model_->get_param_names(parameters, false, false);
  std::size_t missing = 0;
  for (const std::string& parameter : parameters)
    missing += !given->contains_r(parameter);

  if (missing == 0) {
    unconstrain_json(json, theta_unc);
    if (!bridge::finite_density(*model_, jacobian, theta_unc))
      throw std::domain_error("the log density is not finite at the given parameters");
    return;
  }
  if (rng == nullptr)
    throw std::invalid_argument("a random init needs a random number generator (rng), which is null");
  if (!(init_radius >= 0) || std::isinf(init_radius))
    throw std::invalid_argument("init_radius must be finite and not negative");
  if (max_tries < 1)
    throw std::invalid_argument("max_tries must be at least 1");

  bridge::evaluation scope(*model_);
  boost::random::uniform_real_distribution<double> uniform(-1, 1);
  std::string reason;
  for (int attempt = 0; attempt < max_tries; ++attempt) {
    try {
      Eigen::VectorXd theta(size());
      for (double& coordinate : theta)
        coordinate = init_radius * uniform(rng->generator);
      if (missing < parameters.size()) {
        Eigen::VectorXd constrained;
        model_->write_array(rng->generator, theta, constrained, false, false, scope.messages());
        bridge::read_parameters(*model_, *given, false, constrained);
        theta = unconstrained(constrained);
      }
      if (bridge::finite_density(*model_, jacobian, theta.data())) {
        bridge::vector_map(theta_unc, size()) = theta;
        return;
      }
      reason = "the log density is not finite";
    } catch (const std::domain_error& rejection) {
      // A point that the program rejects; any other exception would come at every point.
      reason = rejection.what();
    }
  }
  std::ostringstream message;
  message << "no point with a finite log density in " << max_tries << " tries with init radius " << init_radius
          << "; the last: " << reason;
  throw std::domain_error(message.str());
}
