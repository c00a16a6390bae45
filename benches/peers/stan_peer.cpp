// Runs Stan's own algorithms, the services that CmdStan runs, on a program that stanc has translated, and reports what they
// cost: seconds and evaluations of the log density, with and without its gradient.
//
//   stan_peer METHOD DATA.json SEED DRAWS.csv [key=value ...]
//
// METHOD is nuts, pathfinder, multipathfinder, advi-meanfield or advi-fullrank; the keys are the numbers that `option` names
// below, with Stan's defaults. Draws go to the CSV file, the costs as a line of JSON to standard output.

#include <stan/callbacks/interrupt.hpp>
#include <stan/callbacks/logger.hpp>
#include <stan/callbacks/structured_writer.hpp>
#include <stan/callbacks/unique_stream_writer.hpp>
#include <stan/io/empty_var_context.hpp>
#include <stan/io/json/json_data.hpp>
#include <stan/model/model_base.hpp>
#include <stan/services/experimental/advi/fullrank.hpp>
#include <stan/services/experimental/advi/meanfield.hpp>
#include <stan/services/pathfinder/multi.hpp>
#include <stan/services/pathfinder/single.hpp>
#include <stan/services/sample/hmc_nuts_diag_e_adapt.hpp>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

// stanc's translation of the program defines it.
stan::model::model_base& new_model(stan::io::var_context&, unsigned int, std::ostream*);

namespace {

using stan::math::var;
using stan::model::model_base;

/// A model that counts the evaluations of another: those of `var` arguments are gradient evaluations.
struct counting_model : model_base {
  model_base& m;
  mutable std::atomic<long> densities{0};
  mutable std::atomic<long> gradients{0};

  explicit counting_model(model_base& inner) : model_base(inner.num_params_r()), m(inner) {}

  std::string model_name() const override { return m.model_name(); }
  std::vector<std::string> model_compile_info() const override { return m.model_compile_info(); }
  void get_param_names(std::vector<std::string>& n, bool t, bool g) const override { m.get_param_names(n, t, g); }
  void get_dims(std::vector<std::vector<size_t>>& d, bool t, bool g) const override { m.get_dims(d, t, g); }
  void constrained_param_names(std::vector<std::string>& n, bool t, bool g) const override { m.constrained_param_names(n, t, g); }
  void unconstrained_param_names(std::vector<std::string>& n, bool t, bool g) const override { m.unconstrained_param_names(n, t, g); }

#define DENSITY(name)                                                                                     \
  double name(Eigen::VectorXd& p, std::ostream* o) const override { ++densities; return m.name(p, o); }      \
  var name(Eigen::Matrix<var, -1, 1>& p, std::ostream* o) const override { ++gradients; return m.name(p, o); } \
  double name(std::vector<double>& p, std::vector<int>& i, std::ostream* o) const override { ++densities; return m.name(p, i, o); } \
  var name(std::vector<var>& p, std::vector<int>& i, std::ostream* o) const override { ++gradients; return m.name(p, i, o); }
  DENSITY(log_prob)
  DENSITY(log_prob_jacobian)
  DENSITY(log_prob_propto)
  DENSITY(log_prob_propto_jacobian)
#undef DENSITY

  void transform_inits(const stan::io::var_context& c, Eigen::VectorXd& p, std::ostream* o) const override { m.transform_inits(c, p, o); }
  void transform_inits(const stan::io::var_context& c, std::vector<int>& i, std::vector<double>& p, std::ostream* o) const override { m.transform_inits(c, i, p, o); }
  void write_array(stan::rng_t& r, Eigen::VectorXd& p, Eigen::VectorXd& c, bool t, bool g, std::ostream* o) const override { m.write_array(r, p, c, t, g, o); }
  void write_array(stan::rng_t& r, std::vector<double>& p, std::vector<int>& i, std::vector<double>& c, bool t, bool g, std::ostream* o) const override { m.write_array(r, p, i, c, t, g, o); }
  void unconstrain_array(const Eigen::VectorXd& c, Eigen::VectorXd& p, std::ostream* o) const override { m.unconstrain_array(c, p, o); }
  void unconstrain_array(const std::vector<double>& c, std::vector<double>& p, std::ostream* o) const override { m.unconstrain_array(c, p, o); }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: stan_peer METHOD DATA.json SEED DRAWS.csv [key=value ...]\n";
    return 2;
  }
  const std::string method = argv[1];
  const unsigned int seed = std::stoul(argv[3]);
  std::map<std::string, double> options;
  for (int i = 5; i < argc; ++i) {
    const std::string pair = argv[i];
    const auto equals = pair.find('=');
    options[pair.substr(0, equals)] = std::stod(pair.substr(equals + 1));
  }
  auto option = [&](const char* key, double otherwise) { return options.count(key) ? options[key] : otherwise; };

  std::ifstream input(argv[2]);
  stan::json::json_data data(input);
  counting_model counted(new_model(data, seed, &std::cerr));
  model_base& model = counted;

  stan::callbacks::interrupt interrupt;
  stan::callbacks::logger logger;
  stan::callbacks::unique_stream_writer<std::ofstream> writer(std::make_unique<std::ofstream>(argv[4]), "# ");
  stan::callbacks::writer none;
  stan::callbacks::structured_writer nowhere;
  stan::io::empty_var_context init;
  const int draws = option("draws", 1000);
  int code = 0;
  const auto start = std::chrono::steady_clock::now();
  if (method == "nuts") {
    code = stan::services::sample::hmc_nuts_diag_e_adapt(
        model, init, seed, 1, 2.0, int(option("warmup", 1000)), draws, 1, false, 0, 1.0, 0.0, 10, option("delta", 0.8), 0.05,
        0.75, 10.0, 75, 50, 25, interrupt, logger, none, writer, none);
  } else if (method == "pathfinder") {
    code = stan::services::pathfinder::pathfinder_lbfgs_single(
        model, init, seed, 1, 2.0, 5, 0.001, 1e-12, 1e4, 1e-8, 1e7, 1e-8, int(option("iterations", 1000)),
        int(option("elbo_draws", 25)), draws, false, 0, interrupt, logger, none, writer, nowhere);
  } else if (method == "multipathfinder") {
    const int paths = option("paths", 4);
    std::vector<stan::callbacks::writer> inits(paths), single(paths);
    std::vector<stan::callbacks::structured_writer> diagnostics(paths);
    std::vector<std::shared_ptr<stan::io::var_context>> starts(paths, std::make_shared<stan::io::empty_var_context>());
    code = stan::services::pathfinder::pathfinder_lbfgs_multi(
        model, starts, seed, 1, 2.0, 5, 0.001, 1e-12, 1e4, 1e-8, 1e7, 1e-8, int(option("iterations", 1000)),
        int(option("elbo_draws", 25)), draws, draws, paths, false, 0, interrupt, logger, inits, single, diagnostics, writer,
        nowhere);
  } else if (method == "advi-meanfield" || method == "advi-fullrank") {
    auto run = [&](auto service) {
      return service(model, init, seed, 1, 2.0, 1, 100, int(option("iterations", 10000)), option("tolerance", 0.01), 1.0, true,
                     50, 100, draws, interrupt, logger, none, writer, none);
    };
    code = method == "advi-fullrank" ? run([](auto&&... a) { return stan::services::experimental::advi::fullrank(a...); })
                                     : run([](auto&&... a) { return stan::services::experimental::advi::meanfield(a...); });
  } else {
    std::cerr << "unknown method " << method << "\n";
    return 2;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << "{\"method\": \"" << method << "\", \"code\": " << code << ", \"seconds\": " << seconds
            << ", \"gradient_evaluations\": " << counted.gradients << ", \"density_evaluations\": " << counted.densities
            << "}\n";
  return code;
}
