// BridgeStan's C interface, version 2.9, for a program translated by stanc.
// What each function means is in README.md's table and in BridgeStan's own documentation.

#define BRIDGESTAN_VERSION "2.9.0"

#include "errors.hpp"
#include "model.hpp"

#define BRIDGE_EXPORT extern "C" __attribute__((visibility("default")))

// `extern` gives constants external linkage.
BRIDGE_EXPORT const int bs_major_version;
BRIDGE_EXPORT const int bs_minor_version;
BRIDGE_EXPORT const int bs_patch_version;
const int bs_major_version = 2;
const int bs_minor_version = 9;
const int bs_patch_version = 0;

namespace {

constexpr int success = 0;
constexpr int failure = -1;

/// Runs `body`, which returns nothing, and says whether it succeeded.
template <typename Body>
int succeeds(char** error_msg, Body&& body) {
  return bridge::guarded(error_msg, failure, [&] {
    body();
    return success;
  });
}

}  // namespace

BRIDGE_EXPORT void bs_free_error_msg(char* error_msg) {
  std::free(error_msg);
}

BRIDGE_EXPORT int bs_set_print_callback(bridge::print_callback callback, char** error_msg) {
  return succeeds(error_msg, [&] { bridge::printer::set_callback(callback); });
}

BRIDGE_EXPORT bs_model* bs_model_construct(const char* data, unsigned int seed, char** error_msg) {
  return bridge::guarded<bs_model*>(error_msg, nullptr, [&] { return new bs_model(data, seed); });
}

BRIDGE_EXPORT void bs_model_destruct(bs_model* m) {
  delete m;
}

BRIDGE_EXPORT bs_rng* bs_rng_construct(unsigned int seed, char** error_msg) {
  return bridge::guarded<bs_rng*>(error_msg, nullptr, [&] { return new bs_rng(seed); });
}

BRIDGE_EXPORT void bs_rng_destruct(bs_rng* rng) {
  delete rng;
}

BRIDGE_EXPORT const char* bs_name(const bs_model* m) {
  return m->name().c_str();
}

BRIDGE_EXPORT const char* bs_model_info(const bs_model* m) {
  return m->info().c_str();
}

BRIDGE_EXPORT const char* bs_param_names(const bs_model* m, bool include_tp, bool include_gq) {
  return m->names(include_tp, include_gq).c_str();
}

BRIDGE_EXPORT const char* bs_param_unc_names(const bs_model* m) {
  return m->unconstrained_names().c_str();
}

BRIDGE_EXPORT int bs_param_num(const bs_model* m, bool include_tp, bool include_gq) {
  return m->num(include_tp, include_gq);
}

BRIDGE_EXPORT int bs_param_unc_num(const bs_model* m) {
  return m->size();
}

BRIDGE_EXPORT int bs_param_constrain(const bs_model* m, bool include_tp, bool include_gq, const double* theta_unc,
                                     double* theta, bs_rng* rng, char** error_msg) {
  return succeeds(error_msg, [&] { m->constrain(include_tp, include_gq, theta_unc, theta, rng); });
}

BRIDGE_EXPORT int bs_param_unconstrain(const bs_model* m, const double* theta, double* theta_unc, char** error_msg) {
  return succeeds(error_msg, [&] { m->unconstrain(theta, theta_unc); });
}

BRIDGE_EXPORT int bs_param_unconstrain_json(const bs_model* m, const char* json, double* theta_unc,
                                            char** error_msg) {
  return succeeds(error_msg, [&] { m->unconstrain_json(json, theta_unc); });
}

BRIDGE_EXPORT int bs_param_initialize(const bs_model* m, const char* json, bs_rng* rng, double init_radius,
                                      int max_tries, bool jacobian, double* theta_unc, char** error_msg) {
  return succeeds(error_msg, [&] { m->initialize(json, rng, init_radius, max_tries, jacobian, theta_unc); });
}

BRIDGE_EXPORT int bs_log_density(const bs_model* m, bool propto, bool jacobian, const double* theta_unc, double* lp,
                                 char** error_msg) {
  return succeeds(error_msg,
                  [&] { *lp = bridge::evaluation(m->density()).log_density({propto, jacobian}, theta_unc); });
}

BRIDGE_EXPORT int bs_log_density_gradient(const bs_model* m, bool propto, bool jacobian, const double* theta_unc,
                                          double* val, double* grad, char** error_msg) {
  return succeeds(error_msg,
                  [&] { *val = bridge::evaluation(m->density()).gradient({propto, jacobian}, theta_unc, grad); });
}

BRIDGE_EXPORT int bs_log_density_hessian(const bs_model* m, bool propto, bool jacobian, const double* theta_unc,
                                         double* val, double* grad, double* hessian, char** error_msg) {
  return succeeds(error_msg, [&] {
    *val = bridge::evaluation(m->density()).hessian({propto, jacobian}, theta_unc, grad, hessian);
  });
}

BRIDGE_EXPORT int bs_log_density_hessian_vector_product(const bs_model* m, bool propto, bool jacobian,
                                                        const double* theta_unc, const double* vector, double* val,
                                                        double* hvp, char** error_msg) {
  return succeeds(error_msg, [&] {
    *val = bridge::evaluation(m->density()).hessian_vector_product({propto, jacobian}, theta_unc, vector, hvp);
  });
}
