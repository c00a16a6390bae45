// Runs Stan's own algorithms, the services that CmdStan runs, on a compiled model, and reports what they cost: seconds and
// evaluations of the log density, with and without its gradient. The model is a shared library with BridgeStan's C interface,
// so that the density is the very one that other engines see, and no program needs to be compiled again.
//
//   stan_peer MODEL.so METHOD DATA.json SEED DRAWS.csv [key=value ...]
//
// METHOD is nuts, pathfinder, multipathfinder, advi-meanfield or advi-fullrank; the keys are the numbers that `option` names
// below, with Stan's defaults. Draws go to the CSV file, the costs as a line of JSON to standard output.

#include <stan/callbacks/interrupt.hpp>
#include <stan/callbacks/logger.hpp>
#include <stan/callbacks/structured_writer.hpp>
#include <stan/callbacks/unique_stream_writer.hpp>
#include <stan/io/empty_var_context.hpp>
#include <stan/model/model_base.hpp>
#include <stan/services/experimental/advi/fullrank.hpp>
#include <stan/services/experimental/advi/meanfield.hpp>
#include <stan/services/pathfinder/multi.hpp>
#include <stan/services/pathfinder/single.hpp>
#include <stan/services/sample/hmc_nuts_diag_e_adapt.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using stan::math::var;

/// BridgeStan's functions in a shared library.
class library {
 public:
  explicit library(const char* path) : handle(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (!handle) throw std::runtime_error(dlerror());
  }

  /// The function of this name and type.
  template <typename F>
  F* function(const char* name) const {
    void* symbol = dlsym(handle, name);
    if (!symbol) throw std::runtime_error(dlerror());
    return reinterpret_cast<F*>(symbol);
  }

 private:
  void* handle;
};

/// A model behind BridgeStan's interface, as Stan's services want it. It counts its evaluations: those of `var` arguments are
/// gradient evaluations.
class bridged_model final : public stan::model::model_base {
 public:
  mutable std::atomic<long> densities{0};
  mutable std::atomic<long> gradients{0};

  bridged_model(const library& from, void* bridged, unsigned int seed)
      : model_base(from.function<int(const void*)>("bs_param_unc_num")(bridged)),
        model(bridged),
        seed(seed),
        free_message(from.function<void(char*)>("bs_free_error_msg")),
        names(from.function<const char*(const void*, bool, bool)>("bs_param_names")),
        unconstrained_names(from.function<const char*(void*)>("bs_param_unc_names")),
        construct_rng(from.function<void*(unsigned int, char**)>("bs_rng_construct")),
        constrain(from.function<constrain_type>("bs_param_constrain")),
        density(from.function<density_type>("bs_log_density")),
        gradient(from.function<gradient_type>("bs_log_density_gradient")) {}

  std::string model_name() const override { return "bridged"; }
  std::vector<std::string> model_compile_info() const override { return {}; }

  void get_param_names(std::vector<std::string>& result, bool transformed, bool generated) const override {
    result.clear();
    for (auto& variable : variables(transformed, generated)) result.push_back(variable.first);
  }

  void get_dims(std::vector<std::vector<size_t>>& result, bool transformed, bool generated) const override {
    result.clear();
    for (auto& variable : variables(transformed, generated)) result.push_back(variable.second);
  }

  void constrained_param_names(std::vector<std::string>& result, bool transformed, bool generated) const override {
    append(result, names(model, transformed, generated));
  }

  void unconstrained_param_names(std::vector<std::string>& result, bool, bool) const override {
    append(result, unconstrained_names(model));
  }

#define DENSITY(name, propto, jacobian)                                                                                   \
  double name(Eigen::VectorXd& x, std::ostream*) const override { return value(propto, jacobian, x.data()); }             \
  double name(std::vector<double>& x, std::vector<int>&, std::ostream*) const override {                                  \
    return value(propto, jacobian, x.data());                                                                             \
  }                                                                                                                       \
  var name(Eigen::Matrix<var, -1, 1>& x, std::ostream*) const override { return differentiable(propto, jacobian, x); }    \
  var name(std::vector<var>& x, std::vector<int>&, std::ostream*) const override { return differentiable(propto, jacobian, x); }
  DENSITY(log_prob, false, false)
  DENSITY(log_prob_jacobian, false, true)
  DENSITY(log_prob_propto, true, false)
  DENSITY(log_prob_propto_jacobian, true, true)
#undef DENSITY

  void write_array(stan::rng_t&, std::vector<double>& x, std::vector<int>&, std::vector<double>& result, bool transformed,
                   bool generated, std::ostream*) const override {
    result.resize(split(names(model, transformed, generated), ',').size());
    write(x.data(), result.data(), transformed, generated);
  }

  void write_array(stan::rng_t&, Eigen::VectorXd& x, Eigen::VectorXd& result, bool transformed, bool generated,
                   std::ostream*) const override {
    result.resize(split(names(model, transformed, generated), ',').size());
    write(x.data(), result.data(), transformed, generated);
  }

  // Initial points are random, on the unconstrained scale: nothing is ever brought there.
  void transform_inits(const stan::io::var_context&, Eigen::VectorXd&, std::ostream*) const override { unsupported(); }
  void transform_inits(const stan::io::var_context&, std::vector<int>&, std::vector<double>&, std::ostream*) const override {
    unsupported();
  }
  void unconstrain_array(const Eigen::VectorXd&, Eigen::VectorXd&, std::ostream*) const override { unsupported(); }
  void unconstrain_array(const std::vector<double>&, std::vector<double>&, std::ostream*) const override { unsupported(); }

 private:
  using constrain_type = int(const void*, bool, bool, const double*, double*, void*, char**);
  using density_type = int(const void*, bool, bool, const double*, double*, char**);
  using gradient_type = int(const void*, bool, bool, const double*, double*, double*, char**);

  void* model;
  unsigned int seed;
  void (*free_message)(char*);
  const char* (*names)(const void*, bool, bool);
  const char* (*unconstrained_names)(void*);
  void* (*construct_rng)(unsigned int, char**);
  constrain_type* constrain;
  density_type* density;
  gradient_type* gradient;

  [[noreturn]] static void unsupported() { throw std::logic_error("initial values cannot be given"); }

  static std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
  }

  /// Services expect names after those of their own columns.
  static void append(std::vector<std::string>& result, const char* more) {
    for (const std::string& name : split(more, ',')) result.push_back(name);
  }

  /// Every variable with its dimensions, read off the names of its elements: theta.2.3 is the last of a 2 by 3 matrix.
  std::vector<std::pair<std::string, std::vector<size_t>>> variables(bool transformed, bool generated) const {
    std::vector<std::pair<std::string, std::vector<size_t>>> result;
    for (const std::string& element : split(names(model, transformed, generated), ',')) {
      const std::vector<std::string> parts = split(element, '.');
      if (result.empty() || result.back().first != parts[0]) result.push_back({parts[0], std::vector<size_t>(parts.size() - 1)});
      for (size_t i = 1; i < parts.size(); ++i) {
        size_t& size = result.back().second[i - 1];
        size = std::max<size_t>(size, std::stoul(parts[i]));
      }
    }
    return result;
  }

  /// Throws what Stan's services take for a rejection of the point.
  void check(int code, char* message) const {
    if (code == 0) return;
    const std::string text = message ? message : "rejected";
    if (message) free_message(message);
    throw std::domain_error(text);
  }

  double value(bool propto, bool jacobian, const double* x) const {
    ++densities;
    double result = 0;
    char* message = nullptr;
    check(density(model, propto, jacobian, x, &result, &message), message);
    return result;
  }

  template <typename Vector>
  var differentiable(bool propto, bool jacobian, const Vector& x) const {
    ++gradients;
    std::vector<var> operands(x.data(), x.data() + x.size());
    std::vector<double> values(operands.size()), slopes(operands.size());
    std::transform(operands.begin(), operands.end(), values.begin(), [](const var& operand) { return operand.val(); });
    double result = 0;
    char* message = nullptr;
    check(gradient(model, propto, jacobian, values.data(), &result, slopes.data(), &message), message);
    return stan::math::precomputed_gradients(result, operands, slopes);
  }

  void write(const double* x, double* result, bool transformed, bool generated) const {
    // Pathfinder's paths write from several threads, and a generator serves one.
    thread_local void* rng = construct_rng(seed, nullptr);
    char* message = nullptr;
    check(constrain(model, transformed, generated, x, result, rng, &message), message);
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: stan_peer MODEL.so METHOD DATA.json SEED DRAWS.csv [key=value ...]\n";
    return 2;
  }
  const std::string method = argv[2];
  const unsigned int seed = std::stoul(argv[4]);
  std::map<std::string, double> options;
  for (int i = 6; i < argc; ++i) {
    const std::string pair = argv[i];
    const auto equals = pair.find('=');
    options[pair.substr(0, equals)] = std::stod(pair.substr(equals + 1));
  }
  auto option = [&](const char* key, double otherwise) { return options.count(key) ? options[key] : otherwise; };

  std::ifstream input(argv[3]);
  std::stringstream data;
  data << input.rdbuf();
  const library bridge(argv[1]);
  char* message = nullptr;
  auto construct = bridge.function<void*(const char*, unsigned int, char**)>("bs_model_construct");
  void* bridged = construct(data.str().c_str(), seed, &message);
  if (!bridged) {
    std::cerr << (message ? message : "the model cannot be made") << "\n";
    return 1;
  }
  bridged_model counted(bridge, bridged, seed);
  stan::model::model_base& model = counted;

  stan::callbacks::interrupt interrupt;
  stan::callbacks::logger logger;
  stan::callbacks::unique_stream_writer<std::ofstream> writer(std::make_unique<std::ofstream>(argv[5]), "# ");
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
