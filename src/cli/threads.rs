//! Threads of the linear algebra library.

use std::ffi::c_int;

unsafe extern "C" {
    fn openblas_set_num_threads(threads: c_int);
}

/// Our own threads evaluate scores and run fits side by side; OpenBLAS would start as many again for each of them, and
/// its results would depend on their number.
pub fn one_for_linear_algebra() {
    // SAFETY: OpenBLAS, which the library links, exports this function; any positive count is valid, and no other thread
    // runs yet.
    unsafe { openblas_set_num_threads(1) }
}
