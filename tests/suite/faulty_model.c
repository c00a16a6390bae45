/* A compiled model with BridgeStan's interface whose mood is in its data: a ~ normal(mean, 2), b ~ normal(0, 1), or a fault at the
   first gradient, or in its constructor (malformed). Stan programs cannot easily be made to crash on demand; this one can. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bs_model { double mean; char mood[16]; } bs_model;
typedef struct bs_rng { int unused; } bs_rng;

const int bs_major_version = 2, bs_minor_version = 9, bs_patch_version = 0;

static int fails(char **message) {
  if (message) *message = strdup("not in this model");
  return -1;
}

bs_model *bs_model_construct(const char *data, unsigned seed, char **message) {
  (void)seed, (void)message;
  bs_model *model = calloc(1, sizeof *model);
  const char *mean = data ? strstr(data, "\"mean\":") : NULL, *mood = data ? strstr(data, "\"mood\":") : NULL;
  if (mean) sscanf(mean + 7, "%lf", &model->mean);
  if (mood) sscanf(mood + 7, " \"%15[a-z]", model->mood);
  if (!strcmp(model->mood, "malformed")) *(volatile int *)NULL = 1;
  return model;
}
void bs_model_destruct(bs_model *model) { free(model); }
void bs_free_error_msg(char *message) { free(message); }
const char *bs_name(const bs_model *model) { (void)model; return "faulty_model"; }
const char *bs_model_info(const bs_model *model) { (void)model; return "STAN_THREADS=true"; }
const char *bs_param_names(const bs_model *model, bool tp, bool gq) { (void)model, (void)tp, (void)gq; return "a,b"; }
const char *bs_param_unc_names(const bs_model *model) { (void)model; return "a,b"; }
int bs_param_num(const bs_model *model, bool tp, bool gq) { (void)model, (void)tp, (void)gq; return 2; }
int bs_param_unc_num(const bs_model *model) { (void)model; return 2; }
int bs_param_constrain(const bs_model *model, bool tp, bool gq, const double *x, double *out, bs_rng *rng, char **message) {
  (void)model, (void)tp, (void)gq, (void)rng, (void)message;
  memcpy(out, x, 2 * sizeof *x);
  return 0;
}
int bs_param_unconstrain(const bs_model *model, const double *theta, double *x, char **message) {
  (void)model, (void)message;
  memcpy(x, theta, 2 * sizeof *x);
  return 0;
}
int bs_param_unconstrain_json(const bs_model *model, const char *json, double *x, char **message) {
  (void)model, (void)json, (void)x;
  return fails(message);
}
int bs_param_initialize(const bs_model *model, const char *json, bs_rng *rng, double radius, int tries, bool jacobian, double *x,
                        char **message) {
  (void)model, (void)json, (void)rng, (void)radius, (void)tries, (void)jacobian, (void)x;
  return fails(message);
}

int bs_log_density_gradient(const bs_model *model, bool propto, bool jacobian, const double *x, double *value, double *gradient,
                            char **message) {
  (void)propto, (void)jacobian, (void)message;
  if (!strcmp(model->mood, "segfault")) *(volatile int *)NULL = 1;
  if (!strcmp(model->mood, "abort")) abort();
  if (!strcmp(model->mood, "endless")) for (volatile unsigned long turns = 0;; turns++) {}
  if (!strcmp(model->mood, "greedy"))
    for (;;) {
      char *block = malloc(1 << 20);
      if (!block) abort();
      memset(block, 1, 1 << 20);
    }
  double a = (x[0] - model->mean) / 2, b = x[1];
  *value = !strcmp(model->mood, "nan") ? NAN : -(a * a + b * b) / 2 - log(2) - log(2 * acos(-1));
  gradient[0] = -a / 2;
  gradient[1] = -b;
  return 0;
}
int bs_log_density(const bs_model *model, bool propto, bool jacobian, const double *x, double *value, char **message) {
  double gradient[2];
  return bs_log_density_gradient(model, propto, jacobian, x, value, gradient, message);
}
int bs_log_density_hessian(const bs_model *model, bool propto, bool jacobian, const double *x, double *value, double *gradient,
                           double *hessian, char **message) {
  hessian[0] = -0.25, hessian[1] = hessian[2] = 0, hessian[3] = -1;
  return bs_log_density_gradient(model, propto, jacobian, x, value, gradient, message);
}
int bs_log_density_hessian_vector_product(const bs_model *model, bool propto, bool jacobian, const double *x, const double *v,
                                          double *value, double *out, char **message) {
  double gradient[2];
  out[0] = -0.25 * v[0], out[1] = -v[1];
  return bs_log_density_gradient(model, propto, jacobian, x, value, gradient, message);
}
bs_rng *bs_rng_construct(unsigned seed, char **message) { (void)seed, (void)message; return calloc(1, sizeof(bs_rng)); }
void bs_rng_destruct(bs_rng *rng) { free(rng); }
int bs_set_print_callback(void (*callback)(const char *, size_t), char **message) { (void)callback, (void)message; return 0; }
